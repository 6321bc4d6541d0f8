#include "jailer/plugin/worker_process.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/sys.hpp"

using namespace jailsvc;
using jailer::WorkerProcess;

namespace {

constexpr int kPatienceMs = 10'000;

/// Somebody who holds a process at the last step of its end (ptrace(2), PTRACE_EVENT_EXIT), as a
/// disk that hangs would.
class Holder {
public:
    explicit Holder(pid_t victim) {
        int held[2];
        int release[2];
        REQUIRE(::pipe2(held, O_CLOEXEC) == 0);
        REQUIRE(::pipe2(release, O_CLOEXEC) == 0);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::close(release[1]);
            hold(victim, held[1], release[0]);
        }
        held_ = Fd(held[0]);
        release_ = Fd(release[1]);
        ::close(held[1]);
        ::close(release[0]);
        pollfd ready{held_.get(), POLLIN, 0};
        REQUIRE(::poll(&ready, 1, kPatienceMs) == 1);
        char byte = 0;
        holds_ = ::read(held_.get(), &byte, 1) == 1;
    }
    ~Holder() { let_go(); }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

    [[nodiscard]] bool holds() const { return holds_; }
    void let_go() {
        release_ = Fd();
        if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

private:
    [[noreturn]] static void hold(pid_t victim, int held, int release) {
        if (::ptrace(PTRACE_SEIZE, victim, nullptr, PTRACE_O_TRACEEXIT) == -1) ::_exit(1);
        char byte = 0;
        (void)!::write(held, &byte, 1);
        (void)!::read(release, &byte, 1);  // the end of the file; then the kernel detaches us
        ::_exit(0);
    }

    pid_t pid_ = -1;
    Fd held_, release_;
    bool holds_ = false;
};

WorkerProcess start_sleeper() {
    auto worker = WorkerProcess::start([] { ::pause(); });
    REQUIRE(worker);
    return std::move(*worker);
}

bool is_zombie_or_alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

}  // namespace

TEST_CASE("worker: one that the kernel does not let go is not waited for, and reaped later",
          "[jailer]") {
    WorkerProcess worker = start_sleeper();
    const pid_t pid = worker.pid();
    Holder holder(pid);
    if (!holder.holds()) {
        WARN("skipped: no process can be traced here");
        return;
    }
    const auto pidfd = sys::pidfd_open(pid);
    REQUIRE(pidfd);
    worker.end();
    CHECK_FALSE(worker.poll());
    CHECK(is_zombie_or_alive(pid));  // control: it was held indeed
    holder.let_go();
    pollfd ended{pidfd->get(), POLLIN, 0};
    REQUIRE(::poll(&ended, 1, kPatienceMs) == 1);
    WorkerProcess next = start_sleeper();
    CHECK_FALSE(is_zombie_or_alive(pid));
    next.end();
    REQUIRE(next.poll());  // control: one that nobody holds
    CHECK(next.poll()->describe() == "Killed");
    CHECK_FALSE(is_zombie_or_alive(next.pid()));
}
