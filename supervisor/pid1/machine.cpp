#include "pid1/machine.hpp"

#include <linux/reboot.h>
#include <signal.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "pid1/log.hpp"

namespace jailsvc::pid1 {
namespace {

/// By ipc::ShutdownKind. The machine's init has nowhere to exit to; a soft reboot's promise is kept
/// by the whole one, only slower.
constexpr unsigned kRebootCommands[] = {
    LINUX_REBOOT_CMD_POWER_OFF,  // kExit
    LINUX_REBOOT_CMD_POWER_OFF,  // kPowerOff
    LINUX_REBOOT_CMD_RESTART,    // kReboot
    LINUX_REBOOT_CMD_HALT,       // kHalt
    LINUX_REBOOT_CMD_KEXEC,      // kKexec
    LINUX_REBOOT_CMD_RESTART,    // kSoftReboot
};

void reap_everything() noexcept {
    while (::wait4(-1, nullptr, WNOHANG | __WALL, nullptr) > 0) {
    }
}

/// Reaps until a signal asks for the end.
int wait_for_signal() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    for (;;) {
        reap_everything();
        const int signo = ::sigtimedwait(&all, nullptr, nullptr);
        if (signo == SIGTERM || signo == SIGINT || signo == SIGPWR) return signo;
    }
}

}  // namespace

/// reboot(2) knows no Ctrl-Alt-Del in a pid namespace but the first: EINVAL there.
Rank own_rank() noexcept {
    if (::getpid() != 1) return Rank::kSubreaper;
    const bool machine = ::reboot(static_cast<int>(LINUX_REBOOT_CMD_CAD_OFF)) == 0;
    return machine ? Rank::kMachineInit : Rank::kContainerInit;
}

bool may_act(Act act) noexcept {
    const bool may = ::getpid() == 1 && may_act(own_rank(), act);
    if (!may) errno = EPERM;
    return may;
}

bool signal_all(int signo) noexcept {
    return may_act(Act::kSignalAll) && ::kill(-1, signo) == 0;
}

ipc::ShutdownKind kind_of_signal(Rank rank, int signo) noexcept {
    if (rank != Rank::kMachineInit) return ipc::ShutdownKind::kExit;
    return signo == SIGINT ? ipc::ShutdownKind::kReboot : ipc::ShutdownKind::kPowerOff;
}

int reboot_command(ipc::ShutdownKind kind) noexcept {
    return static_cast<int>(kRebootCommands[static_cast<std::size_t>(kind)]);
}

void finish(ipc::ShutdownKind kind, int exit_code) noexcept {
    signal_all(SIGKILL);
    if (!may_act(Act::kReboot)) ::_exit(exit_code);
    ::sync();
    // kKexec without a loaded kernel, for one, is refused (reboot(2)).
    if (::reboot(reboot_command(kind)) < 0) ::reboot(static_cast<int>(LINUX_REBOOT_CMD_RESTART));
    log("reboot(2): %s (error %d); switch the machine off", error_text(errno), errno);
    for (;;) wait_for_signal();
}

void give_up(int exit_code) noexcept {
    if (own_rank() != Rank::kMachineInit) ::_exit(exit_code);
    log("nothing runs; SIGTERM switches the machine off, Ctrl-Alt-Del or SIGINT restarts it");
    finish(kind_of_signal(Rank::kMachineInit, wait_for_signal()), exit_code);
}

}  // namespace jailsvc::pid1
