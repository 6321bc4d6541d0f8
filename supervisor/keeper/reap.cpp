#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "keeper/keeper.hpp"
#include "pid1/log.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;
using pid1::log;

constexpr std::size_t kBatch = 64;  ///< then the channels have their turn

/// Neither exit(2) nor a signal gives this: the process is gone and nobody saw how.
constexpr int kUnknownStatus = 255 << 8;

std::uint64_t microseconds(const timeval& time) noexcept {
    return static_cast<std::uint64_t>(time.tv_sec * 1'000'000 + time.tv_usec);
}

void reaped(Keeper& keeper, pid_t pid, const ipc::Ending& ending) noexcept {
    for (const Role role : kThree) {
        if (keeper.member(role).pid == pid) return died(keeper, role, ending.status);
    }
    const std::size_t slot = keeper.registry.by_pid(pid);
    if (slot != kNone) return keeper.registry.end(slot, ending);
    keeper.strays.add(pid, ending);
}

}  // namespace

/// One system call per process: the jailer's messages are read after the reaping, once a batch. An
/// exit that comes out before its registration waits among the strays, and a registration tells by
/// its pidfd whether that exit is its own, since a pid may have been used again. When the strays
/// are full, an intent is open: its child may be among the next.
/// docs/adr/0005-the-keeper-reaps-first.md
void reap(Keeper& keeper) noexcept {
    if (!keeper.reap_due || !keeper.strays.room()) return;
    ipc::Ending ending{};
    ending.ended_ns = boottime_ns();
    for (std::size_t i = 0; i < kBatch && keeper.strays.room(); ++i) {
        rusage usage{};
        // __WALL: children that were cloned with another exit signal than SIGCHLD too (wait(2)).
        const pid_t pid = ::wait4(-1, &ending.status, WNOHANG | __WALL, &usage);
        keeper.reap_due = pid > 0;
        if (!keeper.reap_due) break;
        ending.user_us = microseconds(usage.ru_utime);
        ending.system_us = microseconds(usage.ru_stime);
        ending.max_rss_kib = static_cast<std::uint64_t>(usage.ru_maxrss);
        reaped(keeper, pid, ending);
    }
    drain(keeper, Role::kJailer);
}

bool take_register(Keeper& keeper, const ipc::Register& message, int pidfd) noexcept {
    // ECHILD: reaped already, and the number may belong to another process by now.
    const int rc =
        ::waitid(P_PIDFD, static_cast<id_t>(pidfd), nullptr, WEXITED | WNOHANG | WNOWAIT | __WALL);
    if (rc < 0 && errno != ECHILD) return false;
    const std::size_t slot = keeper.registry.add(message);
    keeper.strays.close(message.token);
    if (slot == kNone) {
        // Nobody would answer for it: it must not run.
        if (rc == 0) ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
        log("cannot register pid %d: its token is in use, or the table of %zu is full; killed",
            message.pid, Registry::kCapacity);
        return true;
    }
    if (rc == 0) return true;
    ipc::Ending ending{};
    ending.status = kUnknownStatus;
    ending.ended_ns = boottime_ns();
    if (!keeper.strays.take(message.pid, ending)) {
        log("pid %d: nobody saw how it ended", message.pid);
    }
    keeper.registry.end(slot, ending);
    return true;
}

}  // namespace jailsvc::keeper
