#pragma once

#include "verify/known.hpp"

namespace jailsvc::verify {

/// What a unit says that comes to nothing: relations to itself, and lists of commands without one.
/// A drop-in may empty a list of the file below it; the unit's own file cannot mean to.
[[nodiscard]] config::Diagnostics find_pointless(const Known& known);

}  // namespace jailsvc::verify
