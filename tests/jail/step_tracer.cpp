#include "step_tracer.hpp"

#include <elf.h>
#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <set>
#include <string>

#include "base/sys.hpp"

namespace jailsvc::test {
namespace {

constexpr int kKilled = 0, kAtRest = 1, kBroken = 2;
constexpr unsigned kRestSeconds = 3;  ///< without any system call: nothing more will come
constexpr int kPatienceMs = 60'000;
constexpr int kSyscallStop = SIGTRAP | 0x80;  ///< PTRACE_O_TRACESYSGOOD

// <sys/ptrace.h> of glibc and <linux/ptrace.h> clash; the kernel's layout.
struct SyscallInfo {
    std::uint8_t op = 0;
    std::uint8_t pad[3]{};
    std::uint32_t architecture = 0;
    std::uint64_t instruction = 0, stack = 0;
    std::uint64_t number = 0;
    std::uint64_t arguments[6]{};
};

bool is_step(std::uint64_t number) {
    constexpr std::uint64_t kSteps[] = {SYS_sendto, SYS_sendmsg, SYS_clone3, SYS_unshare,
                                        SYS_rename, SYS_unlink,  SYS_setns,  SYS_mkdirat,
                                        SYS_fchown, SYS_mount,   SYS_fsync,  SYS_write};
    return std::ranges::find(kSteps, number) != std::end(kSteps);
}

pid_t parent_of(pid_t pid) {
    const auto status = sys::read_file("/proc/" + std::to_string(pid) + "/status");
    const std::size_t at = status ? status->find("\nPPid:\t") : std::string::npos;
    return at == std::string::npos ? -1 : std::atoi(status->c_str() + at + 7);
}

void ended(int) {
    ::_exit(kAtRest);
}

/// [tracer] What the target makes is followed if it is the target's own child; else it is let go.
class Trace {
public:
    Trace(pid_t target, int step, int workers) : target_(target), left_(step), workers_(workers) {}

    [[noreturn]] void run(int ready) {
        ::signal(SIGALRM, ended);
        constexpr long kOptions =
            PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
        if (::ptrace(PTRACE_SEIZE, target_, nullptr, kOptions) == -1 ||
            ::ptrace(PTRACE_INTERRUPT, target_, nullptr, nullptr) == -1) {
            ::_exit(kBroken);
        }
        int status = 0;
        if (::waitpid(target_, &status, __WALL) != target_) ::_exit(kBroken);
        resume(target_, 0);
        const char go = 0;
        (void)!::write(ready, &go, 1);
        for (;;) {
            ::alarm(kRestSeconds);
            const pid_t pid = ::waitpid(-1, &status, __WALL);
            if (pid == -1 || (pid == target_ && !WIFSTOPPED(status))) ::_exit(kBroken);
            if (WIFSTOPPED(status)) stopped(pid, status);
        }
    }

private:
    static void resume(pid_t pid, int signal) {
        ::ptrace(PTRACE_SYSCALL, pid, nullptr, static_cast<long>(signal));
    }

    void stopped(pid_t pid, int status) {
        const int signal = WSTOPSIG(status);
        if (pid != target_ && !known_.contains(pid)) {
            known_.insert(pid);
            if (parent_of(pid) != target_) {
                ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
                return;
            }
            return resume(pid, 0);
        }
        if (signal != kSyscallStop) return resume(pid, status >> 16 == 0 ? signal : 0);
        SyscallInfo info;
        constexpr auto kGetInfo = static_cast<__ptrace_request>(0x420e);
        ::ptrace(kGetInfo, pid, sizeof info, &info);
        const bool entry = info.op == 1;
        const bool step = entry && is_step(info.number) && (workers_ == 0 || pid != target_);
        if (step && workers_ > 0) {
            ::kill(pid, SIGKILL);
            if (--workers_ == 0) ::_exit(kKilled);
        } else if (step && --left_ <= 0) {
            ::kill(target_, SIGKILL);
            ::_exit(kKilled);
        }
        resume(pid, 0);
    }

    pid_t target_;
    int left_;
    int workers_;  ///< to be killed; 0: the target is
    std::set<pid_t> known_;
};

}  // namespace

StepTracer::StepTracer(pid_t target, int step) : StepTracer(target, step, 0) {}

StepTracer::StepTracer(pid_t target, int step, int workers) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd ready(ends[0]);
    Fd tell(ends[1]);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) Trace(target, step, workers).run(tell.get());
    tell = Fd();
    pidfd_ = std::move(*sys::pidfd_open(pid_));
    pollfd waiting{ready.get(), POLLIN, 0};
    char go = 0;
    REQUIRE(::poll(&waiting, 1, kPatienceMs) == 1);
    REQUIRE(::read(ready.get(), &go, 1) == 1);
}

StepTracer::~StepTracer() {
    if (pid_ <= 0) return;
    (void)sys::pidfd_signal(pidfd_.get(), SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool StepTracer::killed() {
    pollfd waiting{pidfd_.get(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, kPatienceMs) == 1);
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) != kBroken);
    return WEXITSTATUS(status) == kKilled;
}

}  // namespace jailsvc::test
