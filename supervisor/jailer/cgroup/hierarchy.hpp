#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// Which control group hierarchies there are, and where in them we are. Pure.
namespace jailsvc::jailer::cgroup {

enum class Version { kV1, kV2 };

/// One mounted hierarchy, with the group that this process is in.
struct Hierarchy {
    Version version{};
    /// Version 1: what its mount was made with ("cpu", "cpuacct"). Version 2: empty here; a group's
    /// cgroup.controllers says.
    std::vector<std::string> controllers;
    std::string directory;  ///< our own group's, as we see the file system
    std::string path;       ///< our own group as /proc/PID/cgroup names it
};

/// From /proc/self/mountinfo and /proc/self/cgroup (proc(5), cgroups(7)): version 1, version 2 and
/// hybrid set-ups are told apart by what is mounted alone. A hierarchy is left out when it is not
/// mounted, when no mount of it shows our group, or when it has only a name (systemd's).
[[nodiscard]] Result<std::vector<Hierarchy>> find_hierarchies(std::string_view mountinfo,
                                                              std::string_view own);

/// The path of the group in the line of that hierarchy; empty if there is no such line. `text` is
/// /proc/PID/cgroup of any process.
[[nodiscard]] std::string path_in(std::string_view text, const Hierarchy& hierarchy);

}  // namespace jailsvc::jailer::cgroup
