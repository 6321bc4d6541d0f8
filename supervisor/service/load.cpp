// Taking a new set of units, and the edges between them.

#include <algorithm>
#include <cstring>
#include <utility>

#include "graph/graph.hpp"
#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {

Entry* Manager::Impl::find(std::string_view name) const {
    const auto found = entries.find(name);
    return found == entries.end() ? nullptr : found->second.get();
}

Manager::LoadReport Manager::Impl::load(std::vector<config::Unit> units,
                                        const std::set<std::string>& unreadable) {
    LoadReport report;
    ++transaction;  // marks what is in the new set
    for (config::Unit& unit : units) take(std::move(unit), report);
    for (auto& [name, entry] : entries) {
        if (entry->mark == transaction) continue;
        if (!entry->removed) report.removed.push_back(name);
        entry->removed = true;
    }
    for (const std::string& name : unreadable) {
        if (Entry* entry = find(name)) entry->unreadable = true;
    }
    taken(report);
    return report;
}

Manager::LoadReport Manager::Impl::add(config::Unit unit) {
    LoadReport report;
    ++transaction;
    take(std::move(unit), report);
    taken(report);
    return report;
}

void Manager::Impl::take(config::Unit unit, LoadReport& report) {
    if (unit.name.empty() || unit.name.size() >= sizeof(Record::unit)) {
        report.errors.push_back(unit.name + ": a name has 1 to 127 bytes; rename the file");
        return;
    }
    auto& slot = entries[unit.name];
    if (slot != nullptr && slot->mark == transaction) {
        report.errors.push_back(unit.name + ": loaded twice; the first one counts");
        return;
    }
    auto loaded = std::make_shared<const config::Unit>(std::move(unit));
    if (slot == nullptr) {
        slot = std::make_unique<Entry>();
        report.added.push_back(loaded->name);
    } else if (slot->loaded->digest != loaded->digest) {
        report.changed.push_back(loaded->name);
        if (!at_rest(*slot)) report.running_stale.push_back(loaded->name);
    }
    slot->loaded = std::move(loaded);
    slot->removed = false;
    slot->unreadable = false;
    slot->mark = transaction;
}

void Manager::Impl::taken(LoadReport& report) {
    removed = static_cast<std::size_t>(
        std::ranges::count_if(entries, [](const auto& item) { return item.second->removed; }));
    link();
    for (auto& [name, entry] : entries) {
        if (!entry->broken.empty()) report.errors.push_back(name + ": " + entry->broken);
        if (!at_rest(*entry)) queue.push(*entry);
    }
    run();
}

/// Also the edges of a removed unit that still runs: those that need it stop before it does.
void Manager::Impl::link() {
    std::vector<const config::Unit*> units;
    units.reserve(entries.size());
    for (const auto& [name, entry] : entries) units.push_back(entry->loaded.get());
    const graph::Graph graph = graph::Graph::build(units);

    const auto resolve = [&](const std::vector<std::string>& names) {
        std::vector<Entry*> found;
        found.reserve(names.size());
        for (const std::string& name : names) found.push_back(find(name));
        return found;
    };
    for (auto& [name, entry] : entries) {
        const graph::Graph::Node& node = *graph.find(name);
        entry->broken = node.broken;
        entry->needs = resolve(node.requires_);
        entry->wants = resolve(node.wants);
        entry->after = resolve(node.after);
        entry->needed_by = resolve(node.required_by);
        entry->before = resolve(node.before);
        entry->parts = resolve(node.parts);
        entry->conflicts = resolve(node.conflicts);
        for (Entry* rival : resolve(node.conflicted_by)) {
            if (std::ranges::find(entry->conflicts, rival) == entry->conflicts.end()) {
                entry->conflicts.push_back(rival);
            }
        }
    }
}

void Manager::Impl::drop_removed() {
    if (removed == 0) return;
    const auto forgotten = [&](const auto& item) {
        Entry& entry = *item.second;
        if (!entry.removed || !at_rest(entry) || entry.record().want != Want::kNothing) {
            return false;
        }
        tokens.erase(entry.record().main_token);
        return true;
    };
    const std::size_t dropped = std::erase_if(entries, forgotten);
    if (dropped == 0) return;
    removed -= dropped;
    link();
}

}  // namespace jailsvc::service
