#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.hpp"
#include "base/fd.hpp"
#include "ending/ending.hpp"
#include "pid1/log.hpp"
#include "pid1/machine.hpp"

namespace jailsvc::ending {
namespace {

enum class Whom {
    kRest,   ///< our children but the three
    kThree,  ///< engine, jailer and logger
    kAll,    ///< every process that is ours to end
};

struct Step {
    Whom whom;
    int signo;  ///< 0: their channels' end tells them
    std::uint64_t wait_s;
};
constexpr Step kSteps[] = {
    {Whom::kRest, SIGTERM, 2},  {Whom::kRest, SIGKILL, 8},  {Whom::kThree, 0, 1},
    {Whom::kThree, SIGTERM, 2}, {Whom::kThree, SIGKILL, 3}, {Whom::kAll, SIGTERM, 2},
    {Whom::kAll, SIGKILL, 2},
};
constexpr long kTickNs = 100'000'000;  ///< looking again for what became ours without a signal

/// Our children, zombies included (proc_pid_children(5)); empty: no /proc, or one that counts the
/// pids of another namespace. The kernel may leave some out while others end: ask again.
Fd open_children() noexcept {
    char self[16] = {};
    if (::readlink("/proc/self", self, sizeof self - 1) <= 0) return Fd();
    if (pid1::parse_number(self) != ::getpid()) return Fd();
    return Fd(::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC));
}

/// Calls `use` for every number in the file. Numbers are never cut in two: the kernel writes whole
/// ones into each read of a page or more.
template <typename Use>
void for_each_number(const Fd& file, Use use) noexcept {
    static char list[64 * 1024];
    for (ssize_t size; (size = ::read(file.get(), list, sizeof list)) > 0;) {
        pid_t number = 0;
        for (const char* at = list; at < list + size; ++at) {
            if (*at >= '0' && *at <= '9') {
                number = number * 10 + (*at - '0');
            } else {
                if (number != 0) use(number);
                number = 0;
            }
        }
        if (number != 0) use(number);
    }
}

/// Not reaped yet, so no pid can be another process's.
class Processes {
public:
    explicit Processes(pid_t (&three)[3]) noexcept : three_(three) {}

    void reap() noexcept {
        for (pid_t pid; (pid = ::wait4(-1, nullptr, WNOHANG | __WALL, nullptr)) > 0;) {
            std::replace(three_, three_ + 3, pid, 0);
        }
    }
    /// Signals (0: only counts) those; how many there are.
    std::size_t signal(Whom whom, int signo) noexcept {
        if (whom == Whom::kThree) return signal_three(signo);
        const Fd children = open_children();
        if (pid1::own_rank() != pid1::Rank::kSubreaper && (whom == Whom::kAll || !children)) {
            // Without /proc nobody can tell the three from the rest.
            return pid1::signal_all(signo) && has_others() ? 1 : 0;
        }
        std::size_t count = 0;
        for_each_number(children, [&](pid_t pid) {
            if (std::find(three_, three_ + 3, pid) != three_ + 3) return;
            ::kill(pid, signo);
            ++count;
        });
        return count;
    }

private:
    std::size_t signal_three(int signo) noexcept {
        std::size_t count = 0;
        for (const pid_t pid : three_) {
            if (pid == 0) continue;
            ::kill(pid, signo);
            ++count;
        }
        return count;
    }
    /// As PID 1. A machine has kernel threads, which kill(2) finds too; all others descend from us.
    static bool has_others() noexcept {
        if (pid1::own_rank() != pid1::Rank::kMachineInit) return pid1::signal_all(0);
        return ::waitid(P_ALL, 0, nullptr, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
    }

    pid_t (&three_)[3];
};

/// Until a child ends, or for a tick.
void wait_a_little() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    const timespec tick{0, kTickNs};
    (void)::sigtimedwait(&set, nullptr, &tick);
}

/// All descriptors above the run directory's are the channels of the three.
void close_channels() noexcept {
    ::close_range(pid1::kRunFd + 1, ~0U, 0);
}

}  // namespace

void end_processes(pid1::End& end) noexcept {
    Processes processes(end.three);
    for (const Step& step : kSteps) {
        if (step.whom == Whom::kThree) close_channels();
        (void)processes.signal(step.whom, step.signo);
        // SIGKILL again and again: the children of what was killed are ours now.
        const int again = step.signo == SIGKILL ? SIGKILL : 0;
        const std::uint64_t until_ns = boottime_ns() + step.wait_s * 1'000'000'000;
        processes.reap();
        while (processes.signal(step.whom, again) != 0 && boottime_ns() < until_ns) {
            wait_a_little();
            processes.reap();
        }
    }
    if (const std::size_t left = processes.signal(Whom::kRest, SIGKILL); left != 0) {
        pid1::log("%zu processes cannot be ended", left);
    }
}

}  // namespace jailsvc::ending
