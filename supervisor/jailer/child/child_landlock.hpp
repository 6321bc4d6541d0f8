#pragma once

#include <sys/un.h>

#include <cstdint>

#include "jailer/child/child_op.hpp"
#include "jailer/child/interpret.hpp"
#include "jailer/child/landlock_rights.hpp"

/// [child] Landlock: what a program may reach, whatever its uid. The ruleset is made in the jail,
/// still as root, since its rules name inodes: those of file systems that were made for this start
/// (landlock(7)). It takes effect among the last locks. The kernel shows nobody what a process is
/// confined to, so that the program tries what must be denied, and reports it.
namespace jailsvc::jailer {

/// A ruleset in the making.
struct LandlockState {
    const ProgramJob* job = nullptr;
    int ruleset = -1;
    landlock::Rights handled{0, 0, 0};
    int outside = -1;  ///< bound abstract socket, from before the confinement
    sockaddr_un outside_name{};
    int outside_length = 0;
    std::uint32_t evidence = 0;  ///< landlock::kProbed* and a count of rules
};

/// One operation's part of the ruleset; {} for other kinds.
[[nodiscard]] Outcome prepare_landlock(LandlockState& state, const ChildOp& op) noexcept;

/// JSV_OP_LANDLOCK takes effect and is probed; {} for other kinds.
[[nodiscard]] Outcome apply_landlock(LandlockState& state, const ChildOp& op) noexcept;

}  // namespace jailsvc::jailer
