#pragma once

#include <optional>

#include "jailer/jail/attest_mounts.hpp"

namespace jailsvc::jailer {

/// nullopt: `place` is the ramfs that JSV_OP_CREDENTIALS, operation `index`, asks for: closed to
/// everybody but the unit's user, sealed, with the files of the plan's JSV_OP_CREDENTIAL and
/// nothing else. What is in them is not looked at.
[[nodiscard]] std::optional<JailFailure> attest_credentials(const Plan& plan, std::uint32_t index,
                                                            const Place& place,
                                                            const ResolvedIds& ids);

}  // namespace jailsvc::jailer
