#pragma once

#include <cstdint>

#include "ipc/messages.hpp"

/// What ends more than our own processes, and therefore is done by PID 1 alone.
namespace jailsvc::keeper {

enum class Rank {
    kSubreaper,      ///< not PID 1: never touches what it did not start
    kContainerInit,  ///< PID 1 of a pid namespace: its end ends everything in it
    kMachineInit,    ///< PID 1 of the machine
};
/// As the kernel knows it, without /proc. The machine's init gets Ctrl-Alt-Del as SIGINT from then.
[[nodiscard]] Rank own_rank() noexcept;

enum class Act {
    kSignalAll,   ///< kill(-1, argument)
    kUnmountAll,  ///< sync, unmount what can be, the rest read-only
    kReboot,      ///< reboot(2) with argument
};

/// Pure: who may do what. A container's mounts may be the host's, so its init leaves them alone.
[[nodiscard]] constexpr bool may_act(Rank rank, Act act) noexcept {
    return rank == Rank::kMachineInit || (rank == Rank::kContainerInit && act == Act::kSignalAll);
}

/// Does it, or refuses with false and EPERM. The only way to kill(-1), umount(2) and reboot(2).
bool act_on_machine(Act act, int argument) noexcept;

/// What a signal asks of an init of that rank, and the command of reboot(2) for it.
[[nodiscard]] ipc::ShutdownKind kind_of_signal(Rank rank, int signo) noexcept;
[[nodiscard]] int reboot_command(ipc::ShutdownKind kind) noexcept;

}  // namespace jailsvc::keeper
