#pragma once

#include <sys/resource.h>

#include "keeper/table.hpp"

namespace jailsvc::keeper {

/// How a process ended, as wait4(2) told it.
struct Ending {
    pid_t pid;
    int status;
    std::uint64_t ended_ns;  ///< CLOCK_BOOTTIME
    std::uint64_t user_us;
    std::uint64_t system_us;
    std::uint64_t max_rss_kib;
};

[[nodiscard]] Ending make_ending(pid_t pid, int status, const rusage& usage,
                                 std::uint64_t now_ns) noexcept;

struct Process {
    ipc::Token token;
    ipc::Purpose purpose;
    bool ended;
    pid_t pid;
    Ending ending;
    char unit[ipc::kNameSize];
};

/// The processes that the jailer registered: those that live, and those whose end the engine has
/// not acknowledged. Slots marked for a role are to be sent to it: Alive or Exited, as it then is.
class Registry {
public:
    /// Two for every unit (service and jail's init), and room for helpers of a quarter of them.
    static constexpr std::size_t kCapacity = ipc::kMaxUnits * 5 / 2;

    /// kNone: the token is known already, or the table is full.
    [[nodiscard]] std::size_t add(const ipc::Register& message) noexcept;
    [[nodiscard]] std::size_t by_pid(pid_t pid) const noexcept;  ///< among the living
    [[nodiscard]] std::size_t by_token(ipc::Token token) const noexcept;
    /// Keeps how it ended for the engine; a stub (kStubBit) is forgotten at once.
    void end(std::size_t slot, const Ending& ending) noexcept;
    /// Forgets an ended process; false for a token that is unknown or lives.
    bool acknowledge(ipc::Token token) noexcept;
    /// Marks everything that a new process of that role must be told.
    void mark_snapshot(ipc::Role role) noexcept;

    Slots<Process, kCapacity> slots;

private:
    void forget(std::size_t slot) noexcept;
    Chains<kCapacity> tokens_;
    Chains<kCapacity> pids_;
};

}  // namespace jailsvc::keeper
