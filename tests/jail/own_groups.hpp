#pragma once

#include "jailer/cgroup/tree.hpp"

namespace jailsvc::jailer::test {

/// Control groups as a supervisor that this process is the keeper of would have them.
[[nodiscard]] cgroup::Tree own_groups();

}  // namespace jailsvc::jailer::test
