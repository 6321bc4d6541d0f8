#include "config/aliases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

/// Once each: an alias and the name that it stands for may have stood side by side.
void resolve_list(List<std::string>& list, const Aliases& aliases) {
    const auto is_alias = [&](const std::string& name) { return aliases.find(name) != nullptr; };
    if (std::ranges::none_of(list, is_alias)) return;
    std::vector<std::string> names;
    std::set<std::string> seen;
    for (const std::string& name : list) {
        const std::string& target = aliases.target(name);
        if (seen.insert(target).second) names.push_back(target);
    }
    list = std::move(names);
}

}  // namespace

void Aliases::add(const Unit& unit) {
    for (const std::string& alias : unit.install.alias) owners_.try_emplace(alias, unit.name);
}

const std::string* Aliases::find(std::string_view alias) const {
    const auto at = owners_.find(alias);
    return at == owners_.end() ? nullptr : &at->second;
}

const std::string& Aliases::target(const std::string& name) const {
    const std::string* owner = find(name);
    return owner != nullptr ? *owner : name;
}

void Aliases::resolve(Unit& unit) const {
    if (owners_.empty()) return;
    UnitTable& table = unit.unit;
    for (auto* list : {&table.requires_, &table.wants, &table.binds_to, &table.part_of,
                       &table.after, &table.before, &table.conflicts, &table.on_failure,
                       &table.on_success, &unit.install.wanted_by}) {
        resolve_list(*list, *this);
    }
}

Diagnostics alias_conflicts(const Unit& unit, const JailPlaces& places, const TakenBy& taken) {
    Diagnostics found;
    const auto complain = [&](const std::string& what) {
        const auto place = places.find("install.alias");
        Diagnostic one = place != places.end() ? place->second : Diagnostic{.file = unit.name};
        one.message = "alias: " + what;
        found.push_back(std::move(one));
    };
    for (const std::string& alias : unit.install.alias) {
        if (alias == unit.name) {
            complain(fmt::format("{} is the unit's own name; drop it", shown(alias)));
        } else if (const auto by = taken(alias)) {
            complain(
                fmt::format("{} is the name of {} already; choose another", shown(alias), *by));
        }
    }
    return found;
}

}  // namespace jailsvc::config
