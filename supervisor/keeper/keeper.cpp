#include "keeper/keeper.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "pid1/handover.hpp"
#include "pid1/log.hpp"
#include "pid1/machine.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;
using pid1::log;

constexpr std::uint64_t kNever = ~std::uint64_t{0};
constexpr std::uint64_t kStopNs = 100 * kSecond;  ///< for an engine that does not say how long

void request_shutdown(Keeper& keeper, int signo) noexcept {
    const std::uint64_t now_ns = boottime_ns();
    if (keeper.signal == 0) {  // the first one, though the engine may be ending by itself already
        if (keeper.phase == Phase::kRunning) keeper.deadline_ns = now_ns + kStopNs;
        keeper.phase = Phase::kStopping;
        keeper.kind = pid1::kind_of_signal(pid1::own_rank(), signo);
        keeper.signal = signo;
    } else if (signo != SIGPWR && keeper.deadline_ns > now_ns + kHurryNs) {
        keeper.deadline_ns = now_ns + kHurryNs;
        log("signal %d again: %u s left", signo, static_cast<unsigned>(kHurryNs / kSecond));
    }
    keeper.member(Role::kEngine).shutdown_due = true;
}

void read_signals(Keeper& keeper) noexcept {
    signalfd_siginfo info;
    while (::read(pid1::kSignalsFd, &info, sizeof info) == sizeof info) {
        const int signo = static_cast<int>(info.ssi_signo);
        keeper.reap_due = keeper.reap_due || signo == SIGCHLD;
        if (signo != SIGCHLD) request_shutdown(keeper, signo);
    }
}

/// The earliest moment at which something has to be done without an event.
std::uint64_t next_due_ns(const Keeper& keeper) noexcept {
    if (keeper.reap_due && keeper.strays.room()) return 0;
    std::uint64_t due_ns = keeper.phase == Phase::kStopping ? keeper.deadline_ns : kNever;
    if (keeper.strays.expiry_ns() != 0) due_ns = std::min(due_ns, keeper.strays.expiry_ns());
    for (std::size_t i = 1; i < 4; ++i) {
        if (keeper.members[i].pid == 0) due_ns = std::min(due_ns, keeper.members[i].at_ns);
    }
    return due_ns;
}

void wait_for_events(Keeper& keeper) noexcept {
    pollfd sources[4] = {{pid1::kSignalsFd, POLLIN, 0}};  // then by role
    for (std::size_t i = 1; i < 4; ++i) {
        const Member& member = keeper.members[i];
        const int events = member.blocked ? POLLIN | POLLOUT : POLLIN;
        sources[i] = {member.channel != 0 ? member.channel : -1, static_cast<short>(events), 0};
    }
    const std::uint64_t due_ns = next_due_ns(keeper);
    const std::uint64_t left_ns = due_ns - std::min(due_ns, boottime_ns());
    const timespec wait{static_cast<time_t>(left_ns / kSecond),
                        static_cast<long>(left_ns % kSecond)};
    if (::ppoll(sources, 4, due_ns != kNever ? &wait : nullptr, nullptr) <= 0) return;
    if (sources[0].revents != 0) read_signals(keeper);
    for (std::size_t i = 1; i < 4; ++i) {
        if ((sources[i].revents & POLLOUT) != 0) keeper.members[i].blocked = false;
        if ((sources[i].revents & ~POLLOUT) != 0) drain(keeper, static_cast<Role>(i));
    }
}

void check_deadline(Keeper& keeper) noexcept {
    if (keeper.phase != Phase::kStopping || boottime_ns() < keeper.deadline_ns) return;
    log("not everything has stopped in time; ending what is left");
    keeper.exit_code = 1;
    keeper.phase = Phase::kEnding;
}

}  // namespace

void run(Keeper& keeper) noexcept {
    keeper.reap_due = true;  // what became ours before the exec
    while (keeper.phase != Phase::kEnding) {
        keeper.strays.settle(boottime_ns());
        start_due(keeper);
        for (const Role role : kThree) pump(keeper, role);
        wait_for_events(keeper);
        reap(keeper);
        check_deadline(keeper);
    }
}

}  // namespace jailsvc::keeper
