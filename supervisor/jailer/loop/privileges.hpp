#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"

namespace jailsvc::jailer {

/// The soft and hard limit on descriptors this process began with.
struct FileLimits {
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};

/// Raises the soft limit on descriptors as high as allowed: the jailer holds a few per running
/// unit. Returns what it was, for children.
[[nodiscard]] Result<FileLimits> raise_file_limit();

/// Takes every capability the jailer itself has no use for out of its effective set. They stay
/// permitted and bounded: what a root-owned unit grants its service has to be in the jailer's own
/// sets, since a child can only keep what its parent had (capabilities(7)).
[[nodiscard]] Result<void> reduce_effective_capabilities();

/// Capabilities without which no unit can be started at all, by name, as far as they are lacking:
/// of one who is not root, or root in a container that took them away.
[[nodiscard]] std::string lacking_for_jails();

/// [worker] This process gives up every other capability, for good.
[[nodiscard]] Result<void> keep_capabilities(std::span<const unsigned> kept);

}  // namespace jailsvc::jailer
