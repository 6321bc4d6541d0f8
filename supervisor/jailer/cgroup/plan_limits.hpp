#pragma once

#include <string>
#include <vector>

#include "jailer/cgroup/limits.hpp"
#include "jailer/jail/jail.hpp"

/// What a plan has to say of control groups, for the parts of Tree.
namespace jailsvc::jailer::cgroup {

[[nodiscard]] std::vector<Limit> limits_of(const CompiledPlan& plan);

/// Takes a failure into account: true if the plan can do without that operation.
[[nodiscard]] bool passes(const CompiledPlan& plan, JailFailure failure,
                          std::vector<JailFailure>& weakened);

}  // namespace jailsvc::jailer::cgroup
