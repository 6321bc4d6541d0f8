#pragma once

#include <cstdint>

#include "ipc/messages.hpp"

/// What ends more than our own processes, and therefore is done by PID 1 alone.
namespace jailsvc::pid1 {

enum class Rank {
    kSubreaper,      ///< not PID 1: never touches what it did not start
    kContainerInit,  ///< PID 1 of a pid namespace: its end ends everything in it
    kMachineInit,    ///< PID 1 of the machine
};
/// As the kernel knows it, without /proc. The machine's init gets Ctrl-Alt-Del as SIGINT from then.
[[nodiscard]] Rank own_rank() noexcept;

enum class Act {
    kSignalAll,   ///< kill(-1)
    kUnmountAll,  ///< swapoff(2), umount2(2), remounting read-only
    kReboot,      ///< reboot(2)
};

/// Pure: who may do what. A container's mounts may be the host's, so its init leaves them alone.
[[nodiscard]] constexpr bool may_act(Rank rank, Act act) noexcept {
    return rank == Rank::kMachineInit || (rank == Rank::kContainerInit && act == Act::kSignalAll);
}
/// The same for this process. Every kill(-1), umount2(2), swapoff(2) and reboot(2) asks here first.
[[nodiscard]] bool may_act(Act act) noexcept;

/// kill(-1, signo); false where that is refused or there is nobody.
bool signal_all(int signo) noexcept;

/// What a signal asks of an init of that rank.
[[nodiscard]] ipc::ShutdownKind kind_of_signal(Rank rank, int signo) noexcept;
/// The command of reboot(2) for it.
[[nodiscard]] int reboot_command(ipc::ShutdownKind kind) noexcept;

/// Kills what is left where that is ours to do, then ends machine, container or process. As the
/// machine's init it does not come to an end even if reboot(2) fails: the kernel would panic.
[[noreturn]] void finish(ipc::ShutdownKind kind, int exit_code) noexcept;

/// After an error that leaves nothing to supervise, which has been reported. The machine's init
/// reaps and waits until somebody asks for the end; any other process exits.
[[noreturn]] void give_up(int exit_code) noexcept;

}  // namespace jailsvc::pid1
