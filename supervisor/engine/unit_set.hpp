#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"
#include "config/unit.hpp"

namespace jailsvc::engine {

/// All units that can be read now, and what is wrong with the others.
struct UnitSet {
    std::vector<config::Unit> units;
    std::vector<config::Template> templates;  ///< those that load
    std::map<std::string, std::vector<std::string>, std::less<>>
        errors;                         ///< by unit or template, or by path
    std::vector<std::string> warnings;  ///< of files that are passed over
};

/// The engine starts no programs: it keeps nothing of a unit that the jailer alone looks at; of
/// [environment] the names of the files.
void drop_what_the_jailer_needs(config::Unit& unit);

/// Everything with a file, the instances of templates that it refers to, and `instances`.
[[nodiscard]] UnitSet load_units(const config::Sources& sources, const config::Schema& schema,
                                 const std::vector<std::string>& instances);

/// Makes [install] wanted_by work: a target that a unit names there wants the unit, and a target
/// that has no file comes into being, unless the name is `taken` by something else. A unit that
/// says `enabled = false` is wanted by none of them.
void add_wanted(std::vector<config::Unit>& units,
                const std::set<std::string, std::less<>>& taken = {});

}  // namespace jailsvc::engine
