#pragma once

#include "ipc/channel.hpp"
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
    [[nodiscard]] std::size_t add(const ipc::Register& message) noexcept {
        if (message.pid <= 1 || message.pid > kMaxPid || message.token == 0) return kNone;
        if (by_pid(message.pid) != kNone || processes.find(message.token) != kNone) return kNone;
        auto process = ipc::make<ipc::Exited>();
        static_cast<ipc::Process&>(process) = message;
        const RoleSet receivers = is_stub(message.token) ? kOfStub : kOfProgram;
        const std::size_t slot = processes.add(message.token, receivers, process);
        if (slot != kNone) by_pid_[message.pid] = static_cast<std::uint16_t>(slot + 1);
        return slot;
    }
    /// Among the living. One look, whatever is registered: every orphan is asked for.
    [[nodiscard]] std::size_t by_pid(pid_t pid) const noexcept { return by_pid_[pid] - 1UL; }
    /// Keeps how it ended for the engine; a stub (kStubBit) is forgotten at once.
    void end(std::size_t slot, const ipc::Ending& ending) noexcept {
        ipc::Exited process = processes[slot];
        by_pid_[process.pid] = 0;
        if (is_stub(process.token)) return processes.remove(slot);
        static_cast<ipc::Ending&>(process) = ending;
        processes.set(slot, process);
        processes.mark(ipc::Role::kEngine, slot);
    }
    /// Forgets an ended process; unknown and living ones stay as they are.
    void acknowledge(ipc::Token token) noexcept {
        const std::size_t slot = token != 0 ? processes.find(token) : kNone;
        if (slot != kNone && processes[slot].ended_ns != 0) processes.remove(slot);
    }

    Table<ipc::Exited, kCapacity> processes;

private:
    /// The engine knows nothing of stubs: they are the jailer's own.
    static constexpr RoleSet kOfStub = bit(ipc::Role::kJailer);
    static constexpr RoleSet kOfProgram = bit(ipc::Role::kJailer) | bit(ipc::Role::kEngine);
    static bool is_stub(ipc::Token token) noexcept { return (token & ipc::kStubBit) != 0; }

    static_assert(kCapacity < 0xffff);
    std::uint16_t by_pid_[kMaxPid + 1]{};  ///< slot + 1; only the pages in use are real
};

}  // namespace jailsvc::keeper
