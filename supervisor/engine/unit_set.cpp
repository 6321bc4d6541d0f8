#include "engine/unit_set.hpp"

#include <algorithm>
#include <set>

namespace jailsvc::engine {
namespace {

config::Unit make_target(const std::string& name) {
    config::Unit target;
    target.name = name;
    target.is_target = true;
    target.unit.description = "Units wanted by " + name;
    return target;
}

}  // namespace

UnitSet load_units(const config::Sources& sources, const config::Schema& schema,
                   const std::vector<std::string>& instances) {
    config::LoadedUnits loaded = config::load_all(sources, schema, instances);
    UnitSet set;
    set.units = std::move(loaded.units);
    for (const auto& [name, diagnostics] : loaded.broken) {
        auto& errors = set.errors[name];
        for (const auto& diagnostic : diagnostics) {
            errors.push_back(config::to_string(diagnostic));
        }
    }
    for (const auto& stray : loaded.strays) set.warnings.push_back(config::to_string(stray));
    return set;
}

void add_wanted(std::vector<config::Unit>& units) {
    std::map<std::string, std::vector<std::string>> wanted;
    for (const config::Unit& unit : units) {
        for (const std::string& target : unit.install.wanted_by) {
            wanted[target].push_back(unit.name);
        }
    }
    for (const auto& [target, wanting] : wanted) {
        auto at = std::ranges::find(units, target, &config::Unit::name);
        if (at == units.end()) at = units.insert(units.end(), make_target(target));
        auto& wants = at->unit.wants;
        const std::set<std::string> already(wants.begin(), wants.end());
        for (const std::string& unit : wanting) {
            if (!already.contains(unit)) wants.push_back(unit);
        }
    }
}

}  // namespace jailsvc::engine
