// The edges between units: of all of them, and of one that comes or goes.

#include <algorithm>
#include <utility>

#include "graph/graph.hpp"
#include "service/impl.hpp"

namespace jailsvc::service {
namespace {

bool by_name(const Entry* one, const Entry* other) {
    return one->name() < other->name();
}

/// Lists are in the order of names, however they came about.
void insert(List<Entry*>& list, Entry& entry) {
    std::vector<Entry*> all(list.begin(), list.end());
    const auto place = std::ranges::lower_bound(all, &entry, by_name);
    if (place != all.end() && *place == &entry) return;
    all.insert(place, &entry);
    list = std::move(all);
}

void erase(List<Entry*>& list, const Entry& entry) {
    std::vector<Entry*> all(list.begin(), list.end());
    if (std::erase(all, &entry) > 0) list = std::move(all);
}

bool is_named(const config::UnitTable& table, const std::string& name) {
    return std::ranges::any_of(graph::relations_of(table), [&](const auto* names) {
        return std::ranges::find(*names, name) != names->end();
    });
}

}  // namespace

std::vector<Entry*> Manager::Impl::resolve(const std::vector<std::string>& names) const {
    std::vector<Entry*> found;
    found.reserve(names.size());
    for (const std::string& name : names) found.push_back(find(name));
    return found;
}

/// What the unit's own lists say; not who names it.
void Manager::Impl::take_relations(Entry& entry, const graph::Graph::Node& node) {
    entry.broken = {};
    if (!node.broken.empty()) entry.broken = node.broken;
    entry.needs = resolve(node.requires_);
    entry.wants = resolve(node.wants);
    entry.after = resolve(node.after);
    std::vector<Entry*> rivals = resolve(node.conflicts);
    for (Entry* rival : resolve(node.conflicted_by)) rivals.push_back(rival);
    std::ranges::sort(rivals, by_name);
    const auto twice = std::ranges::unique(rivals);
    rivals.erase(twice.begin(), twice.end());
    entry.conflicts = std::move(rivals);
}

/// Also the edges of a removed unit that still runs: those that need it stop before it does.
void Manager::Impl::link() {
    std::vector<const config::Unit*> units;
    units.reserve(entries.size());
    for (const auto& entry : entries) units.push_back(entry->loaded.get());
    const graph::Graph graph = graph::Graph::build(units, faults);
    for (const auto& entry : entries) {
        const graph::Graph::Node& node = *graph.find(entry->name());
        take_relations(*entry, node);
        entry->needed_by = resolve(node.required_by);
        entry->bound_by = resolve(node.bound_by);
        // Of units on a cycle, which run on from before it was there, one has to stop first.
        std::vector<std::string> later = node.before;
        std::erase_if(later, [&](const auto& name) { return graph.find(name)->rank < node.rank; });
        entry->before = resolve(later);
        entry->parts = resolve(node.parts);
    }
}

/// Whether its coming and going changes nothing of the others' order: none of them names it, and
/// it comes before none.
bool Manager::Impl::stands_apart(const Entry& entry) const {
    return entry.loaded->unit.before.empty() &&
           std::ranges::none_of(entries, [&](const auto& other) {
               return is_named(other->loaded->unit, entry.name());
           });
}

/// A newcomer that stands apart: what link() would make of it and its neighbours.
void Manager::Impl::link(Entry& entry) {
    static const std::string kSound;
    const auto known = [this](std::string_view name) -> const std::string* {
        const Entry* other = find(name);
        if (other == nullptr) return nullptr;
        return other->broken->empty() ? &kSound : &*other->broken;
    };
    const graph::Graph graph = graph::Graph::around(*entry.loaded, known, faults);
    const graph::Graph::Node& node = *graph.find(entry.name());
    take_relations(entry, node);
    for (Entry* other : entry.needs) insert(other->needed_by, entry);
    for (Entry* other : resolve(node.binds_to)) insert(other->bound_by, entry);
    for (Entry* other : entry.after) insert(other->before, entry);
    for (Entry* other : resolve(node.part_of)) insert(other->parts, entry);
    for (Entry* other : entry.conflicts) insert(other->conflicts, entry);
}

/// The opposite, for a unit that goes.
void Manager::Impl::unlink(const Entry& entry) {
    for (const auto* names : graph::relations_of(entry.loaded->unit)) {
        for (const std::string& name : *names) {
            Entry* other = find(name);
            if (other == nullptr) continue;
            for (auto* list : {&other->needed_by, &other->bound_by, &other->before, &other->parts,
                               &other->conflicts}) {
                erase(*list, entry);
            }
        }
    }
}

}  // namespace jailsvc::service
