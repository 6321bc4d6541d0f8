#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::jailer {

/// How a process ended, as waitid(2) tells: CLD_EXITED with a code, or CLD_KILLED and CLD_DUMPED
/// with a signal.
struct ProcessEnd {
    int how = 0;
    int status = 0;

    [[nodiscard]] bool succeeded() const;
    /// "Segmentation fault", "used up its processor time", "exited with status 3".
    [[nodiscard]] std::string describe() const;
};

/// A copy of this process that does one thing and ends: the jailer's own child, reaped by its
/// pidfd and by nothing else. Destroying it kills it.
///
/// It is made without a termination signal, so neither a SIGCHLD handler nor a wait for any child
/// (libev's default loop has both) takes its exit away. The caller has to be single-threaded.
class WorkerProcess {
public:
    /// Runs `body` in the child with descriptors 0 to 2 and `kept` only, all signals at their
    /// defaults. The child ends with _exit(0) when `body` returns, and with its parent in any case.
    [[nodiscard]] static Result<WorkerProcess> start(const std::function<void()>& body,
                                                     std::vector<int> kept = {});
    WorkerProcess(WorkerProcess&&) noexcept = default;
    WorkerProcess& operator=(WorkerProcess&& other) noexcept;
    ~WorkerProcess() { end(); }

    /// Readable when it has ended.
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }
    [[nodiscard]] pid_t pid() const { return pid_; }

    /// How it ended; nullopt while it runs. Once it has ended the same answer each time.
    [[nodiscard]] std::optional<ProcessEnd> poll() noexcept;
    /// The same, after at most `limit`.
    [[nodiscard]] std::optional<ProcessEnd> wait(std::chrono::milliseconds limit) noexcept;
    /// Kills it if it still runs, and reaps it. One that the kernel does not let go (input or
    /// output that hangs) is not waited for: it is reaped when it has ended and another is made.
    void end() noexcept;

private:
    WorkerProcess(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

    pid_t pid_ = -1;
    Fd pidfd_;
    std::optional<ProcessEnd> ended_;
};

}  // namespace jailsvc::jailer
