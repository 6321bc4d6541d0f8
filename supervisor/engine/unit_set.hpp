#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"
#include "config/unit.hpp"

namespace jailsvc::engine {

/// All units that can be read now, and what is wrong with the others.
struct UnitSet {
    std::vector<config::Unit> units;
    std::map<std::string, std::vector<std::string>, std::less<>> errors;  ///< by unit
};

/// Reads one unit; config::load_unit, or a test's.
using LoadUnit = std::function<config::Checked<config::Unit>(const std::string& name)>;

/// Loads `names` and the instances of templates that they refer to ("worker@3"), these too.
[[nodiscard]] UnitSet load_units(std::vector<std::string> names, const LoadUnit& load);

/// Makes [install] wanted_by work: a target that a unit names there wants the unit, and a target
/// that has no file comes into being. Being named in the file counts as being enabled.
void add_wanted(std::vector<config::Unit>& units);

}  // namespace jailsvc::engine
