#pragma once

#include "context.hpp"

/// What became of the units of a Start, Stop, Restart and so on.
namespace jailsvc::ctl {

/// On stderr what did not go well; done and queued units are silent, as init scripts are.
void show_outcomes(const Json& parameters);

/// kOk if all went well.
[[nodiscard]] int code_of_outcomes(const Json& parameters);

}  // namespace jailsvc::ctl
