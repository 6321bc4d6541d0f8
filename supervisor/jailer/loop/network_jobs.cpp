#include "jailer/loop/network_jobs.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>

#include <utility>

#include "jailer/loop/privileges.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kLimit = 20;  ///< [s] the kernel's rule set is locked by whoever else changes it
constexpr std::size_t kMaxText = 1U << 20;  ///< pages cost memory only once written

/// What netlink, another network namespace, and a look at a forward's port take.
constexpr unsigned kNeeded[] = {CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_NET_BIND_SERVICE};

/// [worker]
Result<std::string> attempt(const NetworkJobs::Body& body) {
    TRY_VOID(keep_capabilities(kNeeded));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) return fail_errno("PR_SET_NO_NEW_PRIVS");
    return body();
}

/// [worker]
void run(const NetworkJobs::Body& body, SharedReport& report) {
    using Outcome = SharedReport::Outcome;
    const auto done = attempt(body);
    if (!done) report.set_step(static_cast<std::uint32_t>(done.error().code));
    report.finish(done ? Outcome::kDone : Outcome::kError, done ? *done : done.error().message);
}

}  // namespace

void NetworkJobs::add(Body body, Done done, std::vector<int> kept) {
    waiting_.push_back({std::move(body), std::move(done), std::move(kept)});
    if (!running_) next();
}

void NetworkJobs::next() {
    while (!running_ && !waiting_.empty()) {
        Job job = std::move(waiting_.front());
        waiting_.pop_front();
        if (auto started = start(job); !started) {
            job.done(std::unexpected(std::move(started).error()));
        }
    }
}

Result<void> NetworkJobs::start(Job& job) {
    TRY(SharedReport report, SharedReport::make(kMaxText));
    TRY(WorkerProcess worker, WorkerProcess::start([&] { run(job.body, report); }, job.kept));
    running_.emplace(std::move(job.done), std::move(job.body), std::move(report),
                     std::move(worker));
    ended_.start(running_->worker.pidfd(), EV_READ, [this] { finish(false); });
    limit_.start(kLimit, [this] { finish(true); });
    return {};
}

void NetworkJobs::finish(bool late) {
    ended_.stop();
    limit_.stop();
    Running job = std::move(*running_);
    running_.reset();
    const auto end = job.worker.poll();
    job.worker.end();
    const auto outcome = job.report.outcome();
    Result<std::string> result;
    if (outcome == SharedReport::Outcome::kDone && end && end->succeeded()) {
        result = job.report.text();
    } else if (end && outcome == SharedReport::Outcome::kError) {
        result = fail(job.report.text(), static_cast<int>(job.report.step()));
    } else if (late) {
        result = fail(fmt::format("the process that makes it took over {} s", kLimit), ETIMEDOUT);
    } else {
        result = fail(
            fmt::format("the process that makes it {}", end ? end->describe() : "is lost"), EIO);
    }
    job.done(std::move(result));
    if (!running_) next();
}

}  // namespace jailsvc::jailer
