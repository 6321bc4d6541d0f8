#pragma once

#include <string>
#include <vector>

#include "context.hpp"

namespace jailsvc::ctl {

/// Holds the processes of units where they are, or lets them go on; returns when that is so.
int run_freeze(const Context& context, const std::vector<std::string>& units, bool on);

}  // namespace jailsvc::ctl
