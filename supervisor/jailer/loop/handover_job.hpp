#pragma once

#include <string>
#include <vector>

#include "jailer/jail/handover.hpp"
#include "jailer/plugin/shared_report.hpp"
#include "jailer/plugin/worker_process.hpp"

namespace jailsvc::jailer {

/// Directories given from one owner to another, by a process of its own: there may be many files.
/// Destroying it ends that process; what it has not done is done at the next start.
class HandoverJob {
public:
    [[nodiscard]] static Result<HandoverJob> start(const std::vector<Handover>& handovers);

    /// Readable when finish will not block.
    [[nodiscard]] int fd() const { return worker_.pidfd(); }
    [[nodiscard]] Result<void> finish();

private:
    HandoverJob(SharedReport report, WorkerProcess worker)
        : report_(std::move(report)), worker_(std::move(worker)) {}

    SharedReport report_;
    WorkerProcess worker_;
};

}  // namespace jailsvc::jailer
