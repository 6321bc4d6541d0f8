#pragma once

#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "base/places.hpp"
#include "jailer/credentials/store.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/plugin/shared_report.hpp"
#include "jailer/plugin/worker_process.hpp"

/// From the paths of a plan to a sealed ramfs with the secrets, at each start anew. A process of
/// its own reads, decrypts and runs commands: the jailer itself never has a secret in its memory,
/// and its loop waits for no file system and no program.
namespace jailsvc::jailer {

/// Where to look, and for whom.
struct CredentialTask {
    const CompiledPlan& plan;
    ResolvedIds ids;  ///< of the unit's user, as the jail counts them
    const Places& places;
    const SpawnContext& spawn;
    CgroupEntry groups;  ///< the unit's, for commands
};

/// One worker at work. Destroying it kills the worker and whatever command it runs.
class CredentialJob {
public:
    [[nodiscard]] static Jailed<CredentialJob> start(const CredentialTask& task);
    CredentialJob(CredentialJob&&) noexcept = default;
    CredentialJob& operator=(CredentialJob&&) noexcept = default;

    /// Readable when finish will not block.
    [[nodiscard]] int fd() const { return worker_.pidfd(); }
    /// How long it may take before one gives up on it [s].
    [[nodiscard]] double limit() const { return limit_; }
    /// The mount for JSV_OP_CREDENTIALS; or which operation could not be had, and why.
    [[nodiscard]] Jailed<Fd> finish();
    /// What to say of a job that is over its limit.
    [[nodiscard]] JailFailure late() const;

private:
    CredentialJob(CredentialStore store, SharedReport report, WorkerProcess worker, double limit)
        : store_(std::move(store)),
          report_(std::move(report)),
          worker_(std::move(worker)),
          limit_(limit) {}

    CredentialStore store_;
    SharedReport report_;
    WorkerProcess worker_;
    double limit_;
};

}  // namespace jailsvc::jailer
