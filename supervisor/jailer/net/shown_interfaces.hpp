#pragma once

#include <sys/types.h>

#include <set>
#include <string>

#include "base/result.hpp"

namespace jailsvc::jailer {

/// Names of the interfaces that a sysfs shows. `sysfs`: a descriptor of its root.
[[nodiscard]] Result<std::set<std::string>> list_shown_interfaces(int sysfs);
/// Those of a process's network namespace.
[[nodiscard]] Result<std::set<std::string>> list_interfaces_of(pid_t pid);

}  // namespace jailsvc::jailer
