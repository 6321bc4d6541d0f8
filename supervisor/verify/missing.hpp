#pragma once

#include "jailer/plan/plan.hpp"
#include "verify/known.hpp"

namespace jailsvc::verify {

/// Programs of commands and a working directory that are not there, as the jail of the plan would
/// show them. They may come later, so this is no error of the unit's.
[[nodiscard]] config::Diagnostics find_missing_files(const Known& known, const jailer::Plan& plan);

}  // namespace jailsvc::verify
