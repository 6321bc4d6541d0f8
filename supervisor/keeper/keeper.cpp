#include "keeper/keeper.hpp"

#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper/children.hpp"
#include "keeper/log.hpp"

namespace jailsvc::keeper {
namespace {

using ipc::Role;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStopNs = 100 * kSecond;  ///< for the engine to stop everything
constexpr std::uint64_t kHurryNs = 2 * kSecond;   ///< the same after a second signal
constexpr std::uint64_t kSweepKillNs = 2 * kSecond;
constexpr std::uint64_t kSweepNs = 10 * kSecond;  ///< what is left then cannot be killed
constexpr std::uint64_t kCloseTermNs = 1 * kSecond;
constexpr std::uint64_t kCloseKillNs = 3 * kSecond;
constexpr std::uint64_t kCloseNs = 6 * kSecond;
constexpr std::uint64_t kTickNs = kSecond / 10;  ///< looking again while sweeping
constexpr std::size_t kReservedDescriptors = 256;

void make_earlier(std::uint64_t& due_ns, std::uint64_t candidate_ns) noexcept {
    if (candidate_ns != 0 && (due_ns == 0 || candidate_ns < due_ns)) due_ns = candidate_ns;
}

}  // namespace

const char* name_of(Role role) noexcept {
    switch (role) {
        case Role::kKeeper:
            return "keeper";
        case Role::kEngine:
            return "engine";
        case Role::kJailer:
            return "jailer";
        case Role::kLogger:
            return "logger";
    }
    return "nobody";
}

std::uint64_t boottime_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecond +
           static_cast<std::uint64_t>(now.tv_nsec);
}

int Keeper::run(Options& options, std::size_t descriptor_limit, int control, int state) {
    options_ = &options;
    store_.set_limit(descriptor_limit > kReservedDescriptors
                         ? descriptor_limit - kReservedDescriptors
                         : descriptor_limit / 2);
    auto key = ipc::make<ipc::Store>();
    key.kind = ipc::Kept::kState;
    if (store_.put(key, state, Role::kKeeper) == kNone) return 1;
    key.kind = ipc::Kept::kControl;
    if (store_.put(key, control, Role::kKeeper) == kNone) return 1;
    open_signals();
    for (const Role role : kThree) start(role);
    while (phase_ != Phase::kOver) {
        wait_for_events();
        reap();
        advance(boottime_ns());
        for (const Role role : kThree) pump(role);
    }
    return exit_code_;
}

void Keeper::open_signals() noexcept {
    sigset_t set;
    ::sigfillset(&set);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::sigemptyset(&set);
    for (const int signo : {SIGCHLD, SIGTERM, SIGINT, SIGPWR, SIGHUP}) ::sigaddset(&set, signo);
    signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (own_rank() == Rank::kSubreaper) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    // Ctrl-Alt-Del becomes SIGINT to us instead of an instant reboot.
    act_on_machine(Act::kReboot, static_cast<int>(LINUX_REBOOT_CMD_CAD_OFF));
}

void Keeper::wait_for_events() noexcept {
    pollfd sources[4] = {{signals_, POLLIN, 0}};
    for (std::size_t i = 0; i < 3; ++i) {
        const Member& m = member(kThree[i]);
        sources[i + 1] = {m.channel != 0 ? m.channel : -1, POLLIN, 0};
        if (m.blocked) sources[i + 1].events |= POLLOUT;
    }
    timespec wait{};
    const std::uint64_t due_ns = next_due_ns();
    const std::uint64_t now_ns = due_ns != 0 ? boottime_ns() : 0;
    if (due_ns > now_ns) {
        wait.tv_sec = static_cast<time_t>((due_ns - now_ns) / kSecond);
        wait.tv_nsec = static_cast<long>((due_ns - now_ns) % kSecond);
    }
    if (::ppoll(sources, 4, due_ns != 0 ? &wait : nullptr, nullptr) <= 0) return;
    if (sources[0].revents != 0) read_signals();
    for (std::size_t i = 0; i < 3; ++i) {
        if ((sources[i + 1].revents & POLLOUT) != 0) member(kThree[i]).blocked = false;
        if ((sources[i + 1].revents & ~POLLOUT) != 0) drain(kThree[i]);
    }
}

/// The earliest moment at which something has to be done without an event; 0: never.
std::uint64_t Keeper::next_due_ns() const noexcept {
    std::uint64_t due_ns = strays_.expiry_ns();
    if (reap_due_ && strays_.room()) return 1;
    for (const Member& m : members_) {
        make_earlier(due_ns, m.start_at_ns);
        make_earlier(due_ns, m.retry_ns);
    }
    if (phase_ == Phase::kStopping) make_earlier(due_ns, deadline_ns_);
    if (phase_ > Phase::kStopping) make_earlier(due_ns, boottime_ns() + kTickNs);
    return due_ns;
}

void Keeper::read_signals() noexcept {
    signalfd_siginfo info[8];
    const ssize_t size = ::read(signals_, info, sizeof info);
    for (std::size_t i = 0; size > 0 && i < static_cast<std::size_t>(size) / sizeof *info; ++i) {
        const int signo = static_cast<int>(info[i].ssi_signo);
        if (signo == SIGCHLD) reap_due_ = true;
        if (signo == SIGTERM || signo == SIGINT || signo == SIGPWR) request_shutdown(signo);
    }
}

void Keeper::start(Role role) noexcept {
    Member& m = member(role);
    const std::uint64_t now_ns = boottime_ns();
    m.start_at_ns = 0;
    m.started_ns = now_ns;
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) {
        m.pid = start_program(*options_, name_of(role), ends[1]);
        ::close(ends[1]);
        m.channel = ends[0];
        if (m.pid > 0) return;
        close_channel(m);
    }
    m.pid = 0;
    m.start_at_ns = now_ns + m.backoff.after_death(0);
    log("%s: cannot be started; trying again", name_of(role));
}

void Keeper::died(Role role, int status) noexcept {
    Member& m = member(role);
    drain(role);  // what it said before its end counts
    close_channel(m);
    m.pid = 0;
    if (role == Role::kJailer) strays_.close_all();
    if (phase_ >= Phase::kSweeping) return;
    const std::uint64_t now_ns = boottime_ns();
    const std::uint64_t delay_ns = m.backoff.after_death(now_ns - m.started_ns);
    m.start_at_ns = now_ns + delay_ns;
    ++m.restarts;
    log("%s: %s %d; restart %u in %u ms", name_of(role),
        WIFSIGNALED(status) ? "killed by signal" : "ended with status",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), m.restarts,
        static_cast<unsigned>(delay_ns / 1'000'000));
}

void Keeper::close_channel(Member& m) noexcept {
    if (m.channel != 0) ::close(m.channel);
    for (int& end : m.peer_ends) {
        if (end != 0) ::close(end);
        end = 0;
    }
    m.channel = 0;
    m.greeted = m.blocked = m.end_due = m.shutdown_due = false;
    m.retry_ns = 0;
}

void Keeper::request_shutdown(int signo) noexcept {
    const std::uint64_t now_ns = boottime_ns();
    if (phase_ == Phase::kRunning) {
        kind_ = kind_of_signal(own_rank(), signo);
        signal_ = signo;
        deadline_ns_ = now_ns + kStopNs;
        enter(Phase::kStopping);
        if (!options_->quiet) log("signal %d: stopping everything", signo);
    } else if (phase_ == Phase::kStopping && signo != SIGPWR && deadline_ns_ > now_ns + kHurryNs) {
        deadline_ns_ = now_ns + kHurryNs;
        log("signal %d again: %u s left", signo, static_cast<unsigned>(kHurryNs / kSecond));
    }
    member(Role::kEngine).shutdown_due = true;
}

void Keeper::enter(Phase phase) noexcept {
    phase_ = phase;
    phase_since_ns_ = boottime_ns();
    termed_ = killed_ = false;
}

void Keeper::advance(std::uint64_t now_ns) noexcept {
    strays_.settle(now_ns);
    if (phase_ == Phase::kStopping && now_ns >= deadline_ns_) {
        log("not everything has stopped in time; ending what is left");
        exit_code_ = 1;
        enter(Phase::kSweeping);
    }
    if (phase_ == Phase::kSweeping) sweep();
    if (phase_ == Phase::kClosing) close_down();
    if (phase_ >= Phase::kSweeping) return;
    for (const Role role : kThree) {
        const Member& m = member(role);
        if (m.start_at_ns != 0 && m.start_at_ns <= now_ns) start(role);
    }
}

void Keeper::sweep() noexcept {
    // Not the loop's moment: the phase may have begun after it.
    const std::uint64_t spent_ns = boottime_ns() - phase_since_ns_;
    const bool kill = spent_ns >= kSweepKillNs;
    const std::size_t left = signal_rest(0);
    if (left == 0 || spent_ns >= kSweepNs) {
        if (left != 0) log("%zu processes cannot be ended", left);
        return enter(Phase::kClosing);
    }
    if (kill) {
        // Again and again: the children of what was killed are ours now.
        signal_rest(SIGKILL);
        if (!killed_) act_on_machine(Act::kSignalAll, SIGKILL);
        killed_ = true;
    } else if (!termed_) {
        signal_rest(SIGTERM);
        act_on_machine(Act::kSignalAll, SIGTERM);
        termed_ = true;
    }
}

void Keeper::close_down() noexcept {
    const std::uint64_t spent_ns = boottime_ns() - phase_since_ns_;
    for (const Role role : kThree) close_channel(member(role));
    if (signal_members(0) == 0 || spent_ns >= kCloseNs) {
        phase_ = Phase::kOver;
    } else if (spent_ns >= kCloseKillNs) {
        signal_members(SIGKILL);
    } else if (spent_ns >= kCloseTermNs && !termed_) {
        signal_members(SIGTERM);
        termed_ = true;
    }
    if (phase_ != Phase::kOver) return;
    signal_rest(SIGKILL);  // what the three left behind
    act_on_machine(Act::kSignalAll, SIGKILL);
    if (!may_act(own_rank(), Act::kReboot)) return;
    act_on_machine(Act::kUnmountAll, 0);
    act_on_machine(Act::kReboot, reboot_command(kind_));
}

/// Signals (0: only counts) our children that are not one of the three. They are not reaped yet, so
/// no pid can be another process's.
std::size_t Keeper::signal_rest(int signo) noexcept {
    ChildList children;
    std::size_t count = 0;
    for (pid_t pid; (pid = children.next()) > 0;) {
        bool ours = false;
        for (const Member& m : members_) ours = ours || m.pid == pid;
        if (ours) continue;
        if (signo != 0) ::kill(pid, signo);
        ++count;
    }
    if (children.usable()) return count;
    for (std::size_t slot = 0; slot < registry_.slots.end(); ++slot) {
        if (!registry_.slots.used(slot) || registry_.slots[slot].ended) continue;
        if (signo != 0) ::kill(registry_.slots[slot].pid, signo);
        ++count;
    }
    return count;
}

std::size_t Keeper::signal_members(int signo) noexcept {
    std::size_t count = 0;
    for (const Member& m : members_) {
        if (m.pid == 0) continue;
        if (signo != 0) ::kill(m.pid, signo);
        ++count;
    }
    return count;
}

}  // namespace jailsvc::keeper
