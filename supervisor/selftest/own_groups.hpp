#pragma once

#include "jailer/cgroup/tree.hpp"

namespace jailsvc::selftest {

/// Control groups of this process, which is no jailer: named after itself, so that no supervisor
/// takes them for its own or for a dead one's. Throws std::runtime_error where /proc does not tell.
[[nodiscard]] jailer::cgroup::Tree own_groups();

}  // namespace jailsvc::selftest
