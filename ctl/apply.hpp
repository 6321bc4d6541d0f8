#pragma once

#include <string>
#include <vector>

#include "context.hpp"

namespace jailsvc::ctl {

struct ApplyOptions {
    std::vector<std::string> units;  ///< empty: all
    bool dry_run = false;            ///< tell which would be restarted, and restart none
};

/// Reads the unit files again and restarts those units that run with an old one.
int run_apply(const Context& context, const ApplyOptions& options);

}  // namespace jailsvc::ctl
