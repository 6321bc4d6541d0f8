#pragma once

#include <string>

#include "jailer/cgroup/hierarchy.hpp"

namespace jailsvc::jailer::cgroup {

/// SIGKILL to every process of a group and of those below it, also to those that are forked
/// meanwhile. Version 2: by cgroup.kill. Version 1: each one by itself, while the freezer, if the
/// directory is one of its groups, holds them still. They may take a while to end.
void kill_group(const std::string& directory, Version version);

}  // namespace jailsvc::jailer::cgroup
