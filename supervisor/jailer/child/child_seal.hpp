#pragma once

#include "jailer/child/child_op.hpp"
#include "jailer/child/interpret.hpp"

/// [child] The system call filter, and the exec that happens exactly once.
namespace jailsvc::jailer {

/// What became of the plan's filter.
struct Sealing {
    const ChildOp* op = nullptr;  ///< the filter; nullptr: the plan has none
    Outcome outcome;
    /// The jailer holds the listener of a filter that asks about every exec: no other gate is
    /// needed. It lets the first one pass and closes the listener; from then on each fails with
    /// ENOSYS (seccomp_unotify(2)), in this process and all that come of it. A filter that learns
    /// asks about other calls too; its listener goes on to somebody who answers.
    bool exec_is_gate = false;
};

/// Installs it; `evidence` goes with the listener. Only what JSV_OP_SECCOMP names may be called
/// after this.
[[nodiscard]] Sealing seal(const ProgramJob& job, int gate, std::uint32_t evidence) noexcept;

}  // namespace jailsvc::jailer
