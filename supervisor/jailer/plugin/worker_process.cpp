#include "jailer/plugin/worker_process.hpp"

#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kUncaught = 70;  ///< EX_SOFTWARE of sysexits.h
constexpr unsigned kFirstUnkept = 3;
#ifndef P_PIDFD
constexpr auto P_PIDFD = static_cast<idtype_t>(3);
#endif

/// What the parent's handlers do (write to its loop's pipe) must not happen here.
void reset_signals() {
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    for (int signo = 1; signo < NSIG; ++signo) ::sigaction(signo, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Closes everything but stdio and `kept`, which are in ascending order: false if any of it may
/// still be open.
bool close_others(std::span<const int> kept) {
    unsigned first = kFirstUnkept;
    for (const int one : kept) {
        const auto fd = static_cast<unsigned>(one);
        if (one < 0 || fd < first) continue;
        if (fd > first && ::close_range(first, fd - 1, 0) == -1) return false;
        first = fd + 1;
    }
    return ::close_range(first, ~0U, 0) == 0;
}

[[noreturn]] void run_child(const std::function<void()>& body, std::span<const int> kept,
                            pid_t parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) ::_exit(kUncaught);
    if (::getppid() != parent) ::_exit(kUncaught);  // it died before it could be told
    reset_signals();
    if (!close_others(kept)) ::_exit(kUncaught);
    try {
        body();
    } catch (...) {
        ::_exit(kUncaught);
    }
    ::_exit(0);
}

/// One that was killed is gone within this, unless the kernel does not let it go: a hung disk, a
/// debugger.
constexpr std::chrono::milliseconds kDying{200};

/// Such as are not gone yet, so that nobody waits for them. One for which there is no room stays a
/// zombie, until our own end.
std::array<Fd, 64> lingering;

bool reap(int pidfd, int flags, siginfo_t& info) noexcept {
    info = {};
    const auto id = static_cast<id_t>(pidfd);
    // __WALL: a child without a termination signal is not waited for otherwise (wait(2)).
    return ::waitid(P_PIDFD, id, &info, WEXITED | flags | __WALL) == 0 && info.si_pid != 0;
}

void reap_lingering() noexcept {
    siginfo_t info{};
    for (Fd& pidfd : lingering) {
        if (pidfd && reap(pidfd.get(), WNOHANG, info)) pidfd = Fd();
    }
}

void linger(Fd pidfd) noexcept {
    const auto free = std::ranges::find_if(lingering, [](const Fd& fd) { return !fd; });
    if (free != lingering.end()) *free = std::move(pidfd);
}

}  // namespace

bool ProcessEnd::succeeded() const {
    return how == CLD_EXITED && status == 0;
}

std::string ProcessEnd::describe() const {
    if (how == CLD_EXITED) return fmt::format("exited with status {}", status);
    if (status == SIGXCPU) return "used up its processor time";
    if (status == SIGXFSZ) return "tried to write a file";
    const char* text = ::sigdescr_np(status);
    return text != nullptr ? text : fmt::format("signal {}", status);
}

Result<WorkerProcess> WorkerProcess::start(const std::function<void()>& body,
                                           std::vector<int> kept) {
    reap_lingering();
    std::ranges::sort(kept);
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    const pid_t parent = ::getpid();
    const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == -1) return fail_errno("start a worker: clone3");
    if (pid == 0) run_child(body, kept, parent);
    return WorkerProcess(static_cast<pid_t>(pid), Fd(pidfd));
}

WorkerProcess& WorkerProcess::operator=(WorkerProcess&& other) noexcept {
    if (this == &other) return *this;
    end();
    pid_ = other.pid_;
    pidfd_ = std::move(other.pidfd_);
    ended_ = other.ended_;
    return *this;
}

std::optional<ProcessEnd> WorkerProcess::poll() noexcept {
    if (ended_ || !pidfd_) return ended_;
    siginfo_t info{};
    if (reap(pidfd_.get(), WNOHANG, info)) {
        ended_ = ProcessEnd{.how = info.si_code, .status = info.si_status};
    }
    return ended_;
}

std::optional<ProcessEnd> WorkerProcess::wait(std::chrono::milliseconds limit) noexcept {
    pollfd watched{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        const int timeout = left.count() > 0 ? static_cast<int>(left.count()) : 0;
        if (::poll(&watched, 1, timeout) != -1 || errno != EINTR) return poll();
    }
}

void WorkerProcess::end() noexcept {
    if (!pidfd_ || ended_) return;
    static_cast<void>(::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0));
    if (!wait(kDying)) linger(std::move(pidfd_));
}

}  // namespace jailsvc::jailer
