#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/keeper.hpp"
#include "keeper/log.hpp"

namespace jailsvc::keeper {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kBatchesPerRound = 64;  ///< then the channels have their turn

/// Neither exit(2) nor a signal gives this: the process is gone and nobody saw how.
constexpr int kUnknownStatus = 255 << 8;

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
bool Keeper::reap_batch() noexcept {
    const std::uint64_t now_ns = boottime_ns();
    bool more = true;
    for (std::size_t i = 0; i < kBatch && strays_.room() && more; ++i) {
        int status = 0;
        rusage usage{};
        // __WALL: children that were cloned with another exit signal than SIGCHLD too (wait(2)).
        const pid_t pid = ::wait4(-1, &status, WNOHANG | __WALL, &usage);
        more = pid > 0;
        if (more) reaped(make_ending(pid, status, usage, now_ns));
    }
    drain(ipc::Role::kJailer);
    strays_.settle(now_ns);
    return more;
}

void Keeper::reaped(const Ending& ending) noexcept {
    for (const ipc::Role role : kThree) {
        if (member(role).pid == ending.pid) return died(role, ending.status);
    }
    const std::size_t slot = registry_.by_pid(ending.pid);
    if (slot != kNone) return registry_.end(slot, ending);
    strays_.add(ending);
}

void Keeper::take_register(const ipc::Register& message, int pidfd) noexcept {
    strays_.close(message.token);
    siginfo_t info{};
    // ECHILD: reaped already, and the number may belong to another process by now.
    const bool ours = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info,
                               WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
    const std::size_t slot = message.pid > 1 ? registry_.add(message) : kNone;
    if (slot == kNone) {
        // Nobody would answer for it: it must not run.
        if (ours) ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
        log("cannot register pid %d: its token is in use, or the table of %zu is full; killed",
            message.pid, Registry::kCapacity);
        return;
    }
    if (ours) return;
    Ending ending{message.pid, kUnknownStatus, boottime_ns(), 0, 0, 0};
    if (!strays_.take(message.pid, ending)) log("pid %d: nobody saw how it ended", message.pid);
    registry_.end(slot, ending);
}

}  // namespace jailsvc::keeper
