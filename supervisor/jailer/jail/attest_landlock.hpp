#pragma once

#include <cstdint>
#include <optional>

#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

/// Whether the evidence of a program at its gate is what operation `index`, a JSV_OP_LANDLOCK, asks
/// for, as far as the running kernel knows it: everything handled was tried and denied, and the
/// ruleset got every rule of the plan. nullopt: it is.
[[nodiscard]] std::optional<JailFailure> attest_landlock(const Plan& plan, std::uint32_t index,
                                                         std::uint32_t evidence);

}  // namespace jailsvc::jailer
