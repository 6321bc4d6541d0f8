#pragma once

#include <functional>
#include <string>
#include <vector>

#include "verify/known.hpp"

namespace jailsvc::verify {

/// Loads a unit that is not among the files given.
using Lookup = std::function<config::Checked<config::Unit>(const std::string& name)>;

/// What keeps the units from ever being started together with what they need: requirements that are
/// missing or do not load, cycles of the order, units needed that conflict. Each at the key that
/// says so. Units that the given ones name are looked up, and those that these name.
[[nodiscard]] config::Diagnostics check_relations(const std::vector<Known>& given,
                                                  const Lookup& lookup);

/// Units that are wanted and that there is nothing to be loaded for. They are not missed at a
/// start, so the name is a mistake that nobody else tells.
[[nodiscard]] config::Diagnostics find_missing_wants(const std::vector<Known>& given,
                                                     const Lookup& lookup);

/// The same of units that are named elsewhere, each told where it is.
struct NamedUnit {
    std::string name;
    config::Diagnostic where;  ///< its message goes before the name: "wants: wants "
};
[[nodiscard]] config::Diagnostics find_missing_units(const std::vector<Known>& given,
                                                     const std::vector<NamedUnit>& named,
                                                     const Lookup& lookup);

}  // namespace jailsvc::verify
