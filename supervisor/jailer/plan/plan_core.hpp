#pragma once

#include <vector>

#include "base/result.hpp"
#include "config/unit.hpp"
#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// The operations that the core's own tables ask for, as plugin "core": session, scheduling,
/// working directory, environment. Reads the environment files and, for `pass`, this process's own
/// environment. Of one name, `file` beats `set` beats `pass`, as in systemd.exec(5).
[[nodiscard]] Result<std::vector<Op>> core_operations(const config::Unit& unit);

}  // namespace jailsvc::jailer
