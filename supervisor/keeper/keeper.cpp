#include "keeper/keeper.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper/log.hpp"
#include "keeper/machine.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;

constexpr std::uint64_t kNever = ~std::uint64_t{0};
constexpr std::uint64_t kStopNs = 100 * kSecond;  ///< for the engine to stop everything
constexpr std::uint64_t kHurryNs = 2 * kSecond;   ///< the same after a second signal
constexpr std::uint64_t kTickNs = kSecond / 10;   ///< looking again while ending
constexpr std::size_t kReservedDescriptors = 256;

int open_signals() noexcept {
    sigset_t set;
    ::sigfillset(&set);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::sigemptyset(&set);
    for (const int signo : {SIGCHLD, SIGTERM, SIGINT, SIGPWR}) ::sigaddset(&set, signo);
    return ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

std::uint64_t boottime_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

int Keeper::run(Options& options, std::size_t descriptor_limit, int control, int state) {
    options_ = &options;
    store_.limit = descriptor_limit - std::min(kReservedDescriptors, descriptor_limit / 2);
    ipc::Key key{};
    key.kind = ipc::Kept::kState;
    if (!store_.put(key, state, Role::kKeeper)) return 1;
    key.kind = ipc::Kept::kControl;
    if (!store_.put(key, control, Role::kKeeper)) return 1;
    signals_ = open_signals();
    if (own_rank() == Rank::kSubreaper) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    while (phase_ != Phase::kEnding) {
        start_due();
        for (const Role role : kThree) pump(role);
        wait_for_events();
        reap();
    }
    end_all();
    return exit_code_;
}

void Keeper::wait_for_events() noexcept {
    pollfd sources[4] = {{signals_, POLLIN, 0}};
    for (std::size_t i = 0; i < 3; ++i) {
        const Member& m = member(kThree[i]);
        const int events = m.blocked ? POLLIN | POLLOUT : POLLIN;
        sources[i + 1] = {m.channel != 0 ? m.channel : -1, static_cast<short>(events), 0};
    }
    const std::uint64_t due_ns = next_due_ns();
    const std::uint64_t left_ns = due_ns - std::min(due_ns, boottime_ns());
    const timespec wait{static_cast<time_t>(left_ns / kSecond),
                        static_cast<long>(left_ns % kSecond)};
    if (::ppoll(sources, 4, due_ns != kNever ? &wait : nullptr, nullptr) <= 0) return;
    if (sources[0].revents != 0) read_signals();
    for (std::size_t i = 0; i < 3; ++i) {
        if ((sources[i + 1].revents & POLLOUT) != 0) member(kThree[i]).blocked = false;
        if ((sources[i + 1].revents & ~POLLOUT) != 0) drain(kThree[i]);
    }
}

/// The earliest moment at which something has to be done without an event.
std::uint64_t Keeper::next_due_ns() const noexcept {
    if (reap_due_ && strays_.room()) return 0;
    if (phase_ == Phase::kEnding) return boottime_ns() + kTickNs;
    std::uint64_t due_ns = phase_ == Phase::kStopping ? deadline_ns_ : kNever;
    if (strays_.expiry_ns() != 0) due_ns = std::min(due_ns, strays_.expiry_ns());
    for (const Role role : kThree) {
        const Member& m = members_[static_cast<std::size_t>(role)];
        if (m.pid == 0) due_ns = std::min(due_ns, m.at_ns);
    }
    return due_ns;
}

void Keeper::read_signals() noexcept {
    signalfd_siginfo infos[4];  // each of our signals is pending once at most
    const ssize_t size = ::read(signals_, infos, sizeof infos);
    for (std::size_t i = 0; size > 0 && i < static_cast<std::size_t>(size) / sizeof *infos; ++i) {
        const int signo = static_cast<int>(infos[i].ssi_signo);
        reap_due_ = reap_due_ || signo == SIGCHLD;
        if (signo != SIGCHLD) request_shutdown(signo);
    }
}

void Keeper::request_shutdown(int signo) noexcept {
    const std::uint64_t now_ns = boottime_ns();
    if (phase_ == Phase::kRunning) {
        phase_ = Phase::kStopping;
        kind_ = kind_of_signal(own_rank(), signo);
        signal_ = signo;
        deadline_ns_ = now_ns + kStopNs;
        if (!options_->quiet) log("signal %d: stopping everything", signo);
    } else if (phase_ == Phase::kStopping && signo != SIGPWR && deadline_ns_ > now_ns + kHurryNs) {
        deadline_ns_ = now_ns + kHurryNs;
        log("signal %d again: %u s left", signo, static_cast<unsigned>(kHurryNs / kSecond));
    }
    member(Role::kEngine).shutdown_due = true;
}

/// Starts what is to be started, and goes over to the end when it is time.
void Keeper::start_due() noexcept {
    const std::uint64_t now_ns = boottime_ns();
    strays_.settle(now_ns);
    if (phase_ == Phase::kStopping && now_ns >= deadline_ns_) {
        log("not everything has stopped in time; ending what is left");
        exit_code_ = 1;
        phase_ = Phase::kEnding;
    }
    for (const Role role : kThree) {
        Member& m = member(role);
        if (m.pid != 0 || m.at_ns > now_ns) continue;
        m.at_ns = now_ns;
        if (start(role)) continue;
        log("%s: cannot be started; trying again", name_of(role));
        restart_later(m);
    }
}

/// With fresh ends of its pairs for it and for those that talk to it.
bool Keeper::start(Role role) noexcept {
    const bool is_engine = role == Role::kEngine;
    if (!pair_up(role, is_engine ? Role::kJailer : Role::kEngine)) return false;
    if (is_engine && !pair_up(role, Role::kLogger)) return false;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return false;
    Member& m = member(role);
    m.channel = ends[0];
    m.pid = start_program(*options_, name_of(role), ends[1]);
    ::close(ends[1]);
    return m.pid > 0;
}

/// Ends of an older pair that nobody has been sent are closed: the newest pair counts.
bool Keeper::pair_up(Role one, Role other) noexcept {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        return false;
    }
    int* const places[2] = {&member(one).peer_ends[static_cast<std::size_t>(other)],
                            &member(other).peer_ends[static_cast<std::size_t>(one)]};
    for (std::size_t i = 0; i < 2; ++i) {
        if (*places[i] != 0) ::close(*places[i]);
        *places[i] = ends[i];
    }
    return true;
}

void Keeper::died(Role role, int status) noexcept {
    Member& m = member(role);
    m.pid = 0;    // reaped: the number may be another's from now on
    drain(role);  // what it said before its end counts
    if (role == Role::kJailer) strays_.close_all();
    ++m.restarts;
    restart_later(m);
    if (phase_ == Phase::kEnding) return;
    const bool killed = WIFSIGNALED(status);
    log("%s: %s %d; restart %u in %u ms", name_of(role),
        killed ? "killed by signal" : "ended with status",
        killed ? WTERMSIG(status) : WEXITSTATUS(status), m.restarts,
        static_cast<unsigned>(m.delay_ns / 1'000'000));
}

void Keeper::restart_later(Member& m) noexcept {
    const std::uint64_t now_ns = boottime_ns();
    disconnect(m);
    m.pid = 0;
    m.delay_ns = next_delay(m.delay_ns, now_ns - m.at_ns);
    m.at_ns = now_ns + m.delay_ns;
}

void Keeper::disconnect(Member& m) noexcept {
    if (m.channel != 0) ::close(m.channel);
    for (int& end : m.peer_ends) {
        if (end != 0) ::close(end);
        end = 0;
    }
    m.channel = 0;
    m.greeted = m.blocked = m.end_due = m.shutdown_due = false;
}

bool Keeper::is_member(pid_t pid) const noexcept {
    return std::ranges::any_of(members_, [&](const Member& m) { return m.pid == pid; });
}

}  // namespace jailsvc::keeper
