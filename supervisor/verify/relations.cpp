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

/// The key by which the unit comes after another of its cycle.
std::string key_of_cycle(const config::Unit& unit, const std::string& cycle) {
    const auto& table = unit.unit;
    const auto is_in_cycle = [&](const std::string& name) {
        return name != unit.name && cycle.find(fmt::format(" {} ", name)) != std::string::npos;
    };
    if (std::ranges::any_of(table.requires_, is_in_cycle)) return "requires";
    if (std::ranges::any_of(table.binds_to, is_in_cycle)) return "binds_to";
    if (std::ranges::any_of(table.after, is_in_cycle)) return "after";
    if (std::ranges::any_of(table.before, is_in_cycle)) return "before";
    if (contains(table.requires_, unit.name)) return "requires";
    return contains(table.binds_to, unit.name) ? "binds_to" : "after";
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
config::Diagnostic broken(const Known& known, const std::string& why) {
    if (why.starts_with("cycle: ")) {
        return at(known, key_of_cycle(known.unit, fmt::format(" {} ", why.substr(7))), why);
    }
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

config::Diagnostics find_missing_wants(const std::vector<Known>& given, const Lookup& lookup) {
    std::set<std::string> known;
    for (const Known& one : given) {
        known.insert(one.unit.name);
        known.insert(one.unit.install.wanted_by.begin(), one.unit.install.wanted_by.end());
    }
    config::Diagnostics found;
    for (const Known& one : given) {
        const auto check = [&](const char* key, const List<std::string>& names) {
            for (const std::string& name : names) {
                if (known.contains(name)) continue;
                const auto unit = lookup(name);
                // With errors in its file it does exist; those of a missing one name no place.
                if (unit || unit.error().front().line != 0) continue;
                found.push_back(at(one, key,
                                   fmt::format("{} {}, which does not exist; add it or drop the "
                                               "line",
                                               key, name)));
            }
        };
        check("wants", one.unit.unit.wants);
        check("on_failure", one.unit.unit.on_failure);
        check("on_success", one.unit.unit.on_success);
    }
    return found;
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
            found.push_back(broken(known, node->broken));
        }
    }
    return found;
}

}  // namespace jailsvc::verify
