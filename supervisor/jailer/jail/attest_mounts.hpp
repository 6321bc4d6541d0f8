#pragma once

#include <optional>
#include <vector>

#include "jailer/jail/jail_view.hpp"

/// The file system half of attest_jail: what the kernel says stands where.
namespace jailsvc::jailer {

/// nullopt: every mount operation holds, and nothing is writable that was not declared so. Failures
/// of optional operations are added to `weakened`.
[[nodiscard]] std::optional<JailFailure> attest_mounts(const Plan& plan, const JailView& view,
                                                       const ResolvedIds& ids,
                                                       std::vector<JailFailure>& weakened);

}  // namespace jailsvc::jailer
