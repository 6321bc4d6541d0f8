#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "jailer/loop/watch.hpp"
#include "jailer/plugin/shared_report.hpp"
#include "jailer/plugin/worker_process.hpp"

namespace jailsvc::jailer {

/// Changes to the network between jails, each by a process of its own, one after the other in the
/// order in which they came: libnftables may fail, hang or crash there, and the loop waits for none
/// of it. One change cannot see half of another.
class NetworkJobs {
public:
    /// [worker] What it has to tell on success.
    using Body = std::function<Result<std::string>()>;
    /// On the loop, when the process has ended.
    using Done = std::function<void(Result<std::string>)>;

    explicit NetworkJobs(struct ev_loop* loop) : ended_(loop), limit_(loop) {}

    /// `kept`: descriptors that the body uses; they stay open as long as `body` itself is kept.
    void add(Body body, Done done, std::vector<int> kept = {});

private:
    struct Job {
        Body body;
        Done done;
        std::vector<int> kept;
    };
    struct Running {
        Done done;
        Body body;
        SharedReport report;
        WorkerProcess worker;
    };
    void next();
    Result<void> start(Job& job);
    void finish(bool late);

    std::deque<Job> waiting_;
    std::optional<Running> running_;
    IoWatch ended_;
    TimerWatch limit_;
};

}  // namespace jailsvc::jailer
