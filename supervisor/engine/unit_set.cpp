#include "engine/unit_set.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "config/sight.hpp"

namespace jailsvc::engine {
namespace {

config::Unit make_target(const std::string& name) {
    config::Unit target;
    target.name = name;
    target.is_target = true;
    target.unit.description = "Units wanted by " + name;
    return target;
}

/// What a unit requires and is not there keeps it down, which says why; what it wants is not
/// missed.
void warn_of_missing(UnitSet& set) {
    std::set<std::string, std::less<>> known;
    for (const config::Unit& unit : set.units) {
        known.insert(unit.name);
        known.insert(unit.install.wanted_by.begin(), unit.install.wanted_by.end());
    }
    for (const config::Unit& unit : set.units) {
        for (const std::string& name : unit.unit.wants) {
            if (known.contains(name) || set.errors.contains(name)) continue;
            set.warnings.push_back(unit.name + ": wants " + name +
                                   ", which does not exist; add it or drop the line");
        }
    }
}

}  // namespace

void drop_what_the_jailer_needs(config::Unit& unit) {
    unit.service.exec_start = {};
    config::EnvironmentTable seen{.set = {}, .file = unit.environment->file};
    unit.environment = {};
    if (!seen.file.empty()) unit.environment = std::move(seen);
}

UnitSet load_units(const config::Sources& sources, const config::Schema& schema,
                   const std::vector<std::string>& instances) {
    const config::Sight sight(sources);  // before they are read: what changes meanwhile shows
    config::LoadedUnits loaded = config::load_all(sources, schema, instances);
    UnitSet set;
    set.units = std::move(loaded.units);
    for (config::Unit& unit : set.units) {
        drop_what_the_jailer_needs(unit);
        unit.sight = sight.of(unit);
    }
    set.templates = std::move(loaded.templates);
    for (const auto& [name, diagnostics] : loaded.broken) {
        auto& errors = set.errors[name];
        for (const auto& diagnostic : diagnostics) {
            errors.push_back(config::to_string(diagnostic));
        }
    }
    warn_of_missing(set);
    for (const auto& stray : loaded.strays) set.warnings.push_back(config::to_string(stray));
    return set;
}

void add_wanted(std::vector<config::Unit>& units, const std::set<std::string, std::less<>>& taken) {
    std::map<std::string, std::vector<std::string>> wanted;
    for (const config::Unit& unit : units) {
        if (!unit.install.enabled) continue;
        for (const std::string& target : unit.install.wanted_by) {
            wanted[target].push_back(unit.name);
        }
    }
    for (const auto& [target, wanting] : wanted) {
        auto at = std::ranges::find(units, target, &config::Unit::name);
        if (at == units.end() && taken.contains(target)) continue;
        if (at == units.end()) at = units.insert(units.end(), make_target(target));
        std::vector<std::string> wants(at->unit.wants.begin(), at->unit.wants.end());
        const std::set<std::string> already(wants.begin(), wants.end());
        std::ranges::copy_if(wanting, std::back_inserter(wants),
                             [&](const std::string& unit) { return !already.contains(unit); });
        at->unit.wants = std::move(wants);
    }
}

}  // namespace jailsvc::engine
