#pragma once

#include <sys/types.h>

#include "keeper/table.hpp"

namespace jailsvc::keeper {

/// Of a pid on 64-bit Linux: PID_MAX_LIMIT (linux/threads.h).
inline constexpr pid_t kMaxPid = 4 * 1024 * 1024;

/// The processes that the jailer registered: those that live, and those whose end the engine has
/// not acknowledged. Each is kept as the message that will tell its end; until then its ended_ns
/// is 0. Marked slots are to be sent: Alive or Exited, as it then is.
class Registry {
public:
    /// Two for every unit (service and jail's init), and room for helpers of a quarter of them.
    static constexpr std::size_t kCapacity = ipc::kMaxUnits * 5 / 2;

    /// kNone: token or pid are in use or impossible, or the table is full.
    [[nodiscard]] std::size_t add(const ipc::Register& message) noexcept;
    /// Among the living. One look, whatever is registered: every orphan is asked for.
    [[nodiscard]] std::size_t by_pid(pid_t pid) const noexcept { return by_pid_[pid] - 1UL; }
    /// Keeps how it ended for the engine; a stub (kStubBit) is forgotten at once.
    void end(std::size_t slot, const ipc::Exited& ending) noexcept;
    /// Forgets an ended process; unknown and living ones stay as they are.
    void acknowledge(ipc::Token token) noexcept;
    /// Marks everything that a new process of that role must be told.
    void mark_snapshot(ipc::Role role) noexcept;

    Table<ipc::Exited, kCapacity> processes;

private:
    static_assert(kCapacity < 0xffff);
    std::uint16_t by_pid_[kMaxPid + 1]{};  ///< slot + 1; only the pages in use are real
};

}  // namespace jailsvc::keeper
