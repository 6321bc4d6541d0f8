// Taking a new set of units, or some more.

#include <algorithm>
#include <utility>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

/// What the digest does not cover: where it was read from, and what is wanted for other units'
/// [install].
bool says_the_same(const config::Unit& known, const config::Unit& read) {
    return known.digest == read.digest && known.files == read.files &&
           known.is_target == read.is_target && known.unit.wants == read.unit.wants;
}

}  // namespace

Manager::LoadReport Manager::Impl::load(std::vector<config::Unit> units, Faults broken_files) {
    LoadReport report;
    faults = std::move(broken_files);
    ++transaction;  // marks what is in the new set
    for (const config::Unit& unit : units) take(unit, report);
    for (const auto& entry : entries) {
        if (entry->mark == transaction) continue;
        if (!entry->removed) report.removed.push_back(entry->name());
        entry->removed = true;
    }
    for (const auto& [name, fault] : faults) {
        if (Entry* entry = find(name)) entry->unreadable = true;
    }
    taken(report);
    return report;
}

Manager::LoadReport Manager::Impl::add(std::vector<config::Unit> units) {
    LoadReport report;
    ++transaction;
    for (const config::Unit& unit : units) {
        faults.erase(unit.name);
        take(unit, report);
    }
    std::vector<Entry*> added;
    for (const std::string& name : report.added) added.push_back(find(name));
    const bool apart = added.size() == units.size() &&
                       std::ranges::all_of(added, [&](Entry* one) { return stands_apart(*one); });
    if (!apart) {
        taken(report);
        return report;
    }
    for (Entry* entry : added) {
        link(*entry);
        tell_broken(*entry, report);
    }
    return report;
}

void Manager::Impl::take(const config::Unit& unit, LoadReport& report) {
    if (unit.name.empty() || unit.name.size() >= sizeof(Record::unit)) {
        report.errors.push_back(unit.name + ": a name has 1 to 127 bytes; rename the file");
        return;
    }
    Entry* entry = find(unit.name);
    if (entry != nullptr && entry->mark == transaction) {
        report.errors.push_back(unit.name + ": loaded twice; the first one counts");
        return;
    }
    // A copy: its parts lie close together, and all that reading took goes in whole pages.
    const auto copy = [&] { return std::make_shared<const config::Unit>(unit); };
    if (entry == nullptr) {
        report.added.push_back(unit.name);
        auto added = std::make_unique<Entry>();
        added->loaded = copy();
        entry = &entries.add(std::move(added));
    } else if (says_the_same(*entry->loaded, unit)) {
        entry->loaded->sight = unit.sight;
    } else {
        if (entry->loaded->digest != unit.digest) {
            report.changed.push_back(unit.name);
            if (!at_rest(*entry)) report.running_stale.push_back(unit.name);
        }
        entry->loaded = copy();
    }
    entry->removed = false;
    entry->unreadable = false;
    entry->mark = transaction;
}

void Manager::Impl::tell_broken(const Entry& entry, LoadReport& report) const {
    // Masked is what somebody wants the unit to be; what is removed nobody can mend.
    if (entry.broken->empty() || entry.loaded->unit.masked || entry.removed) return;
    report.errors.push_back(entry.name() + ": " + *entry.broken);
}

void Manager::Impl::taken(LoadReport& report) {
    removed = static_cast<std::size_t>(
        std::ranges::count_if(entries, [](const auto& entry) { return entry->removed; }));
    link();
    for (const auto& entry : entries) {
        // What would be started has no file any more.
        if (entry->removed && entry->record().state == State::kListening) {
            want_down(*entry, "its file is gone");
        }
        tell_broken(*entry, report);
        if (!at_rest(*entry)) queue.push(*entry);
    }
    run();
}

void Manager::Impl::drop_removed() {
    if (removed == 0) return;
    std::vector<Entry*> dropped;
    for (const auto& entry : entries) {
        entry->dropped =
            entry->removed && at_rest(*entry) && entry->record().want == Want::kNothing;
        if (entry->dropped) dropped.push_back(entry.get());
    }
    if (dropped.empty()) return;
    const bool apart =
        std::ranges::all_of(dropped, [this](const Entry* one) { return stands_apart(*one); });
    for (Entry* entry : dropped) {
        tokens.erase(entry->record().main_token);
        observer.dropped(entry->name());
        if (apart) unlink(*entry);
    }
    entries.erase_dropped();
    removed -= dropped.size();
    if (!apart) link();
}

}  // namespace jailsvc::service
