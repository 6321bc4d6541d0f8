#pragma once

#include "jailer/child/child_op.hpp"
#include "jailer/child/interpret.hpp"

/// [child] What makes a program of a process: its limits, identity and the last locks.
namespace jailsvc::jailer {

/// Exclusive resources of the host that a process inside a user namespace may no longer set
/// (limits and priorities want capabilities in the initial one): applied before entering the jail.
/// So is the bounding set, while there is time: the jail's mounts are still being made.
[[nodiscard]] Outcome apply_before_entry(const ProgramJob& job, const ChildOp& op) noexcept;

/// Session, umask and working directory, inside the jail; what has held so far is checked.
[[nodiscard]] Outcome apply_inside(const ChildOp& op) noexcept;

/// A failure and the operation that it belongs to.
struct StepOutcome {
    std::uint32_t op = 0;
    Outcome outcome;
};

/// The identity operations depend on each other and are one step: bounding set, groups, ids,
/// inheritable and ambient sets, securebits, and at last the permitted set.
[[nodiscard]] StepOutcome apply_identity(const ProgramJob& job) noexcept;

[[nodiscard]] Outcome apply_lockdown(const ChildOp& op) noexcept;

/// The stub keeps uid 0 and nothing else, see there.
[[nodiscard]] Outcome lock_stub() noexcept;

/// A new, empty session keyring in place of the one that the supervisor was started with: whoever
/// inherits that possesses the keys in it, whatever his uid (keyrings(7), session-keyring(7)).
[[nodiscard]] Outcome leave_session_keyring() noexcept;

/// Signals as a program expects them: nothing blocked. Handlers are gone with CLONE_CLEAR_SIGHAND,
/// and ignored is none, see ignore_no_signals; attest_program reads both back.
[[nodiscard]] Outcome unblock_signals() noexcept;

}  // namespace jailsvc::jailer
