#include "verify/relations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "graph/graph.hpp"

namespace jailsvc::verify {
namespace {

using Names = std::vector<std::string>;

constexpr std::size_t kMaxLookups = 4096;
constexpr std::string_view kCycle = "cycle: ";  ///< how the graph begins to tell one

bool contains(const auto& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

std::string one_line(config::Diagnostic diagnostic) {
    diagnostic.source.clear();
    return config::to_string(diagnostic);
}

/// The given units and, as far as they load, all that they name, directly or not.
class Units {
public:
    Units(const std::vector<Known>& given, const Lookup& lookup) {
        for (const Known& known : given) {
            if (units_.emplace(known.unit.name, known.unit).second) name_all_of(known.unit);
            if (known.fault) faults_.emplace(known.unit.name, one_line(*known.fault));
        }
        for (std::size_t looked = 0; !named_.empty() && looked < kMaxLookups; ++looked) {
            const std::string name = named_.front();
            named_.pop_front();
            add(name, lookup);
        }
        add_targets();
    }

    [[nodiscard]] graph::Graph graph() const {
        std::vector<const config::Unit*> all;
        for (const auto& [name, unit] : units_) all.push_back(&unit);
        return graph::Graph::build(all, faults_);
    }
    /// Whether it would be there to be started.
    [[nodiscard]] bool loads(const std::string& name) const {
        return units_.contains(name) && !faults_.contains(name);
    }
    /// What is wrong with the files of units that do not load.
    [[nodiscard]] const graph::Faults& faults() const { return faults_; }

private:
    void name_all_of(const config::Unit& unit) {
        for (const auto* names : {&unit.unit.requires_, &unit.unit.binds_to, &unit.unit.wants,
                                  &unit.unit.after, &unit.unit.before, &unit.unit.conflicts}) {
            named_.insert(named_.end(), names->begin(), names->end());
        }
    }
    void add(const std::string& name, const Lookup& lookup) {
        if (units_.contains(name) || !tried_.insert(name).second) return;
        auto unit = lookup(name);
        if (unit) {
            name_all_of(*unit);
            units_.emplace(name, std::move(*unit));
        } else if (unit.error().front().line != 0) {
            faults_.emplace(name, one_line(unit.error().front()));
        }
    }

    /// Being wanted by a target makes one that has no file.
    void add_targets() {
        std::set<std::string> targets;
        for (const auto& [name, unit] : units_) {
            targets.insert(unit.install.wanted_by.begin(), unit.install.wanted_by.end());
        }
        for (const std::string& name : targets) {
            config::Unit target;
            target.name = name;
            target.is_target = true;
            units_.emplace(name, std::move(target));
        }
    }

    std::map<std::string, config::Unit> units_;
    graph::Faults faults_;
    std::set<std::string> tried_;
    std::deque<std::string> named_;
};

config::Diagnostic at(const Known& known, std::string_view key, const std::string& message) {
    return at_key(known, "unit", key, message);
}

/// The units of "cycle: a -> b -> a; …", the first again at the end; each comes after the next.
Names members_of(std::string_view cycle) {
    constexpr std::string_view kArrow = " -> ";
    cycle.remove_prefix(std::min(cycle.size(), kCycle.size()));
    cycle = cycle.substr(0, cycle.find(';'));
    Names members;
    while (!cycle.empty()) {
        const std::string_view one = cycle.substr(0, cycle.find(kArrow));
        members.emplace_back(one);
        cycle.remove_prefix(std::min(cycle.size(), one.size() + kArrow.size()));
    }
    return members;
}

/// The key of `unit` that says that it comes after `earlier`; nullptr: another unit says so.
const char* key_after(const config::Unit& unit, const std::string& earlier) {
    const auto& table = unit.unit;
    if (contains(table.requires_, earlier)) return "requires";
    if (contains(table.binds_to, earlier)) return "binds_to";
    if (contains(table.after, earlier)) return "after";
    return unit.is_target && contains(table.wants, earlier) ? "wants" : nullptr;
}

/// The key of `unit` that makes an edge of the cycle to or from `member`.
const char* key_of_cycle(const config::Unit& unit, const Names& cycle, const std::string& member) {
    const auto each_edge = [&](auto key_of) -> const char* {
        for (std::size_t i = 0; i + 1 < cycle.size(); ++i) {
            if (cycle[i] != member && cycle[i + 1] != member) continue;
            if (const char* key = key_of(cycle[i], cycle[i + 1])) return key;
        }
        return nullptr;
    };
    const char* key = each_edge([&](const std::string& later, const std::string& earlier) {
        return later == unit.name ? key_after(unit, earlier) : nullptr;
    });
    if (key != nullptr) return key;
    return each_edge([&](const std::string& later, const std::string& earlier) {
        return earlier == unit.name && contains(unit.unit.before, later) ? "before" : nullptr;
    });
}

/// A cycle where the unit itself says so, else where one given beside it puts it there.
config::Diagnostic cycle_at(const Known& known, const std::vector<Known>& given,
                            const std::string& why) {
    const Names cycle = members_of(why);
    if (const char* key = key_of_cycle(known.unit, cycle, known.unit.name)) {
        return at(known, key, why);
    }
    for (const Known& other : given) {
        if (const char* key = key_of_cycle(other.unit, cycle, known.unit.name)) {
            return at(other, key, why);
        }
    }
    return {.file = known.file, .message = why};
}

/// Every requirement that is not there to be started; whether there is one.
bool tell_missing(const Known& known, const Units& units, config::Diagnostics& found) {
    const std::size_t before = found.size();
    const auto check = [&](const char* key, const char* verb, const List<std::string>& names) {
        for (const std::string& name : names) {
            if (name == known.unit.name || units.loads(name)) continue;
            found.push_back(at(known, key, graph::missing_requirement(verb, name, units.faults())));
        }
    };
    check("requires", "requires ", known.unit.unit.requires_);
    check("binds_to", "binds to ", known.unit.unit.binds_to);
    return found.size() > before;
}

/// What the graph has against the unit, at the key that says it.
config::Diagnostic broken(const Known& known, const std::vector<Known>& given,
                          const std::string& why) {
    if (why.starts_with(kCycle)) return cycle_at(known, given, why);
    return at(known, "requires", why);
}

/// All that has to be up for the unit to be.
Names needs_of(const std::string& unit, const graph::Graph& graph) {
    Names needs{unit};
    for (std::size_t head = 0; head < needs.size(); ++head) {
        const auto* node = graph.find(needs[head]);
        if (node == nullptr) continue;
        for (const std::string& need : node->requires_) {
            if (!contains(needs, need)) needs.push_back(need);
        }
    }
    return needs;
}

void check_conflicts(const Known& known, const graph::Graph& graph, config::Diagnostics& found) {
    const Names needs = needs_of(known.unit.name, graph);
    for (const std::string& need : needs) {
        for (const std::string& rival : graph.find(need)->conflicts) {
            if (!contains(needs, rival)) continue;
            found.push_back(at(
                known, "requires",
                fmt::format("needs {} and {}, which conflict; drop one of the two", need, rival)));
            return;
        }
    }
}

}  // namespace

config::Diagnostics find_missing_units(const std::vector<Known>& given,
                                       const std::vector<NamedUnit>& named, const Lookup& lookup) {
    std::set<std::string> known;
    for (const Known& one : given) {
        known.insert(one.unit.name);
        known.insert(one.unit.install.wanted_by.begin(), one.unit.install.wanted_by.end());
    }
    config::Diagnostics found;
    for (const NamedUnit& one : named) {
        if (known.contains(one.name)) continue;
        const auto unit = lookup(one.name);
        // With errors in its file it does exist; those of a missing one name no place.
        if (unit || unit.error().front().line != 0) continue;
        found.push_back(one.where);
        found.back().message +=
            fmt::format("{}, which does not exist; add it or drop the line", one.name);
    }
    return found;
}

config::Diagnostics find_missing_wants(const std::vector<Known>& given, const Lookup& lookup) {
    std::vector<NamedUnit> named;
    for (const Known& one : given) {
        const auto add = [&](const char* key, const List<std::string>& names) {
            const auto where = at(one, key, fmt::format("{} ", key));
            for (const std::string& name : names) named.push_back({name, where});
        };
        add("wants", one.unit.unit.wants);
        add("on_failure", one.unit.unit.on_failure);
        add("on_success", one.unit.unit.on_success);
    }
    return find_missing_units(given, named, lookup);
}

config::Diagnostics check_relations(const std::vector<Known>& given, const Lookup& lookup) {
    const Units units(given, lookup);
    const graph::Graph graph = units.graph();
    config::Diagnostics found;
    for (const Known& known : given) {
        const auto* node = graph.find(known.unit.name);
        if (tell_missing(known, units, found)) continue;
        if (node->broken.empty()) {
            check_conflicts(known, graph, found);
        } else {
            found.push_back(broken(known, given, node->broken));
        }
    }
    return found;
}

}  // namespace jailsvc::verify
