#pragma once

#include <string>
#include <vector>

#include "context.hpp"

namespace jailsvc::ctl {

struct AnalyzeOptions {
    std::vector<std::string> units;  ///< empty: all
    double most = 10;                ///< --max: a unit above it makes the exit code 1
};
/// How exposed units are. 1: one is above `most`, or the kernel says that a wall does not hold.
int run_analyze(const Context& context, const AnalyzeOptions& options);

}  // namespace jailsvc::ctl
