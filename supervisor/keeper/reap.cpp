#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "keeper/keeper.hpp"
#include "keeper/log.hpp"

namespace jailsvc::keeper {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kBatchesPerRound = 64;  ///< then the channels have their turn

/// Neither exit(2) nor a signal gives this: the process is gone and nobody saw how.
constexpr int kUnknownStatus = 255 << 8;

std::uint64_t microseconds(const timeval& time) noexcept {
    return static_cast<std::uint64_t>(time.tv_sec * 1'000'000 + time.tv_usec);
}

}  // namespace

void Keeper::reap() noexcept {
    for (std::size_t i = 0; i < kBatchesPerRound && reap_due_; ++i) {
        if (!strays_.room()) return;  // an intent is open: its child may be among the next
        reap_due_ = reap_batch();
    }
}

/// One system call per process: the jailer's messages are read after the reaping, once a batch. An
/// exit that comes out before its registration waits among the strays, and a registration tells by
/// its pidfd whether that exit is its own, since a pid may have been used again.
/// docs/adr/0005-the-keeper-reaps-first.md
bool Keeper::reap_batch() noexcept {
    ipc::Exited ending{};
    ending.ended_ns = boottime_ns();
    for (std::size_t i = 0; i < kBatch && strays_.room() && ending.pid >= 0; ++i) {
        rusage usage{};
        // __WALL: children that were cloned with another exit signal than SIGCHLD too (wait(2)).
        ending.pid = ::wait4(-1, &ending.status, WNOHANG | __WALL, &usage);
        if (ending.pid <= 0) break;
        ending.user_us = microseconds(usage.ru_utime);
        ending.system_us = microseconds(usage.ru_stime);
        ending.max_rss_kib = static_cast<std::uint64_t>(usage.ru_maxrss);
        reaped(ending);
    }
    drain(ipc::Role::kJailer);
    strays_.settle(ending.ended_ns);
    return ending.pid > 0;
}

void Keeper::reaped(const ipc::Exited& ending) noexcept {
    for (const ipc::Role role : kThree) {
        if (member(role).pid == ending.pid) return died(role, ending.status);
    }
    const std::size_t slot = registry_.by_pid(ending.pid);
    if (slot != kNone) return registry_.end(slot, ending);
    strays_.add(ending);
}

/// False: refused, as nothing that a jailer in its right mind sends.
bool Keeper::take_register(const ipc::Register& message, int pidfd) noexcept {
    siginfo_t info{};
    // ECHILD: reaped already, and the number may belong to another process by now.
    const int rc =
        ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG | WNOWAIT | __WALL);
    if (rc < 0 && errno != ECHILD) return false;
    const std::size_t slot = registry_.add(message);
    strays_.close(message.token);
    if (slot == kNone) {
        // Nobody would answer for it: it must not run.
        if (rc == 0) ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
        log("cannot register pid %d: its token is in use, or the table of %zu is full; killed",
            message.pid, Registry::kCapacity);
        return true;
    }
    if (rc == 0) return true;
    ipc::Exited ending{};
    ending.status = kUnknownStatus;
    ending.ended_ns = boottime_ns();
    if (!strays_.take(message.pid, ending)) log("pid %d: nobody saw how it ended", message.pid);
    registry_.end(slot, ending);
    return true;
}

}  // namespace jailsvc::keeper
