#include "engine/unit_set.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include "ipc/messages.hpp"

namespace jailsvc::engine {
namespace {

/// Names of template instances in a unit's dependencies.
std::vector<std::string> instances_in(const config::Unit& unit) {
    std::vector<std::string> found;
    for (const auto* list : {&unit.unit.requires_, &unit.unit.wants}) {
        for (const std::string& name : *list) {
            if (name.find('@') != std::string::npos) found.push_back(name);
        }
    }
    return found;
}

void want(config::Unit& target, const std::string& unit) {
    auto& wants = target.unit.wants;
    if (std::ranges::find(wants, unit) == wants.end()) wants.push_back(unit);
}

config::Unit make_target(const std::string& name) {
    config::Unit target;
    target.name = name;
    target.is_target = true;
    target.unit.description = "Units wanted by " + name;
    return target;
}

}  // namespace

UnitSet load_units(std::vector<std::string> names, const LoadUnit& load) {
    UnitSet set;
    std::set<std::string> seen(names.begin(), names.end());
    std::deque<std::string> todo(names.begin(), names.end());
    // An instance may refer to the next one without end: %i in a name. The records end it.
    while (!todo.empty() && set.units.size() < ipc::kMaxUnits) {
        const std::string name = std::move(todo.front());
        todo.pop_front();
        auto unit = load(name);
        if (!unit) {
            auto& errors = set.errors[name];
            for (const auto& error : unit.error()) errors.push_back(config::to_string(error));
            continue;
        }
        for (std::string& instance : instances_in(*unit)) {
            if (seen.insert(instance).second) todo.push_back(std::move(instance));
        }
        set.units.push_back(std::move(*unit));
    }
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
        for (const std::string& unit : wanting) want(*at, unit);
    }
}

}  // namespace jailsvc::engine
