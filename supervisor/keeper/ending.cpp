#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "base/fd.hpp"
#include "keeper/keeper.hpp"
#include "keeper/log.hpp"
#include "keeper/machine.hpp"

namespace jailsvc::keeper {
namespace {

struct Step {
    bool three;  ///< engine, jailer and logger; else everything but them
    int signo;   ///< 0: their channels' end tells them
    std::uint64_t wait_ns;
};
constexpr Step kSteps[] = {
    {false, SIGTERM, 2 * kSecond}, {false, SIGKILL, 8 * kSecond},
    {true, 0, 1 * kSecond},        {true, SIGTERM, 2 * kSecond},
    {true, SIGKILL, 3 * kSecond},  {false, SIGKILL, 1 * kSecond},  // what the three left behind
};

/// Our children, zombies included (proc_pid_children(5)); -1: no /proc, or one that counts the pids
/// of another namespace. The kernel may leave some out while others end: ask again.
Fd open_children() noexcept {
    char self[16] = {};
    if (::readlink("/proc/self", self, sizeof self - 1) <= 0) return Fd();
    if (std::strtol(self, nullptr, 10) != ::getpid()) return Fd();
    return Fd(::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
}

}  // namespace

/// Step by step until nothing is left, then the machine, if it is ours.
void Keeper::end_all() noexcept {
    for (const Step& step : kSteps) {
        for (const ipc::Role role : kThree) {
            if (step.three) disconnect(member(role));
        }
        const auto signal = [&](int signo) {
            return step.three ? signal_three(signo) : signal_rest(signo);
        };
        if (signal(step.signo) != 0 && !step.three) act_on_machine(Act::kSignalAll, step.signo);
        // SIGKILL again and again: the children of what was killed are ours now.
        const int again = step.signo == SIGKILL ? SIGKILL : 0;
        const std::uint64_t until_ns = boottime_ns() + step.wait_ns;
        while (signal(again) != 0 && boottime_ns() < until_ns) {
            wait_for_events();
            reap();
        }
    }
    if (const std::size_t left = signal_rest(SIGKILL); left != 0) {
        log("%zu processes cannot be ended", left);
    }
    // What is no child of ours, or was not seen for want of /proc.
    act_on_machine(Act::kSignalAll, SIGKILL);
    act_on_machine(Act::kUnmountAll, 0);
    act_on_machine(Act::kReboot, reboot_command(kind_));
}

/// Signals (0: only counts) those of the three that run.
std::size_t Keeper::signal_three(int signo) noexcept {
    std::size_t count = 0;
    for (const Member& m : members_) {
        if (m.pid == 0) continue;
        ::kill(m.pid, signo);
        ++count;
    }
    return count;
}

/// The same for our other children. They are not reaped yet, so no pid can be another process's.
std::size_t Keeper::signal_rest(int signo) noexcept {
    std::size_t count = 0;
    const auto signal = [&](pid_t pid) {
        if (is_member(pid)) return;
        ::kill(pid, signo);
        ++count;
    };
    static char list[64 * 1024];  // at least a page: whole numbers in every read
    const Fd children = open_children();
    for (ssize_t size; (size = ::read(children.get(), list, sizeof list - 1)) > 0;) {
        list[size] = '\0';
        char* at = list;
        while (const long pid = std::strtol(at, &at, 10)) signal(static_cast<pid_t>(pid));
    }
    if (children) return count;
    registry_.processes.for_each([&](std::size_t slot) {
        const ipc::Exited& process = registry_.processes[slot];
        if (process.ended_ns == 0) signal(process.pid);
    });
    return count;
}

}  // namespace jailsvc::keeper
