// Taking a new set of units, and the edges between them.

#include <algorithm>
#include <cstring>
#include <utility>

#include "graph/graph.hpp"
#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {

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
    taken(report);
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
    auto loaded = std::make_shared<const config::Unit>(unit);
    if (entry == nullptr) {
        report.added.push_back(loaded->name);
        auto added = std::make_unique<Entry>();
        added->loaded = std::move(loaded);
        entry = &entries.add(std::move(added));
    } else {
        if (entry->loaded->digest != loaded->digest) {
            report.changed.push_back(loaded->name);
            if (!at_rest(*entry)) report.running_stale.push_back(loaded->name);
        }
        entry->loaded = std::move(loaded);
    }
    entry->removed = false;
    entry->unreadable = false;
    entry->mark = transaction;
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
        // Masked is what somebody wants the unit to be.
        if (!entry->broken->empty() && !entry->loaded->unit.masked) {
            report.errors.push_back(entry->name() + ": " + *entry->broken);
        }
        if (!at_rest(*entry)) queue.push(*entry);
    }
    run();
}

/// Also the edges of a removed unit that still runs: those that need it stop before it does.
void Manager::Impl::link() {
    std::vector<const config::Unit*> units;
    units.reserve(entries.size());
    for (const auto& entry : entries) units.push_back(entry->loaded.get());
    const graph::Graph graph = graph::Graph::build(units, faults);

    const auto resolve = [&](const std::vector<std::string>& names) {
        std::vector<Entry*> found;
        found.reserve(names.size());
        for (const std::string& name : names) found.push_back(find(name));
        return found;
    };
    for (const auto& entry : entries) {
        const graph::Graph::Node& node = *graph.find(entry->name());
        entry->broken = {};
        if (!node.broken.empty()) entry->broken = node.broken;
        entry->needs = resolve(node.requires_);
        entry->wants = resolve(node.wants);
        entry->after = resolve(node.after);
        entry->needed_by = resolve(node.required_by);
        entry->bound_by = resolve(node.bound_by);
        // Of units on a cycle, which run on from before it was there, one has to stop first.
        std::vector<std::string> later = node.before;
        std::erase_if(later, [&](const auto& name) { return graph.find(name)->rank < node.rank; });
        entry->before = resolve(later);
        entry->parts = resolve(node.parts);
        std::vector<Entry*> rivals = resolve(node.conflicts);
        for (Entry* rival : resolve(node.conflicted_by)) {
            if (std::ranges::find(rivals, rival) == rivals.end()) rivals.push_back(rival);
        }
        entry->conflicts = std::move(rivals);
    }
}

void Manager::Impl::drop_removed() {
    if (removed == 0) return;
    const auto forgotten = [&](Entry& entry) {
        if (!entry.removed || !at_rest(entry) || entry.record().want != Want::kNothing) {
            return false;
        }
        tokens.erase(entry.record().main_token);
        observer.dropped(entry.name());
        return true;
    };
    const std::size_t dropped = entries.erase_if(forgotten);
    if (dropped == 0) return;
    removed -= dropped;
    link();
}

}  // namespace jailsvc::service
