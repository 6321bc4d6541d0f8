#include "jailer/loop/handover_job.hpp"

#include <fmt/format.h>

#include <utility>

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxMessage = 8192;  ///< a path and why [bytes]

Result<void> hand_over_all(const std::vector<Handover>& handovers) {
    for (const Handover& one : handovers) TRY_VOID(hand_over(one));
    return {};
}

}  // namespace

Result<HandoverJob> HandoverJob::start(const std::vector<Handover>& handovers) {
    TRY(SharedReport report, SharedReport::make(kMaxMessage));
    std::vector<int> kept;
    for (const Handover& one : handovers) kept.push_back(one.directory.get());
    TRY(WorkerProcess worker, WorkerProcess::start(
                                  [&] {
                                      using Outcome = SharedReport::Outcome;
                                      const auto done = hand_over_all(handovers);
                                      report.finish(done ? Outcome::kDone : Outcome::kError,
                                                    done ? "" : done.error().message);
                                  },
                                  kept));
    return HandoverJob(std::move(report), std::move(worker));
}

Result<void> HandoverJob::finish() {
    const auto end = worker_.poll();
    const SharedReport::Outcome outcome = report_.outcome();
    if (outcome == SharedReport::Outcome::kDone && end && end->succeeded()) return {};
    if (outcome == SharedReport::Outcome::kError) return fail(report_.text());
    return fail(
        fmt::format("the process that changes its owner {}", end ? end->describe() : "is lost"));
}

}  // namespace jailsvc::jailer
