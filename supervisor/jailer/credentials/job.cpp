#include "jailer/credentials/job.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "jailer/credentials/command.hpp"
#include "jailer/credentials/encrypted_file.hpp"
#include "jailer/credentials/secret_file.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/plan/credential_limits.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxMessage = 4096;  ///< [bytes]
/// Over reading files [s]; a hung file system is the usual reason.
constexpr double kFilesLimit = 30;

Result<void> forbid_dumps() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    if (::setrlimit(RLIMIT_CORE, &none) == -1) return fail_errno("setrlimit RLIMIT_CORE");
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) return fail_errno("PR_SET_DUMPABLE");
    return {};
}

/// Directories that plugins hide in every jail, see jsv_host::private_directory.
std::vector<std::string> hidden_directories(const Places& places) {
    std::vector<std::string> hidden = {places.run, places.lib, places.log};
    hidden.insert(hidden.end(), places.unit_dirs.begin(), places.unit_dirs.end());
    return hidden;
}

/// [worker] Fetches the plan's credentials one by one.
class Fetcher {
public:
    Fetcher(const CredentialTask& task, std::chrono::nanoseconds patience)
        : task_(task), plan_(task.plan.plan()), patience_(patience) {}

    Result<void> fill(CredentialStore& store, SharedReport& report) {
        TRY_VOID(forbid_dumps());
        const CredentialStore::Owner owner{host_uid(plan_, task_.ids, task_.ids.uid).value_or(0),
                                           host_gid(plan_, task_.ids, task_.ids.gid).value_or(0)};
        // Commands first: a process that becomes one then has no secret in the memory it leaves.
        for (const bool commands : {true, false}) {
            for (std::uint32_t i = 0; i < plan_.ops.size(); ++i) {
                const Op& op = plan_.ops[i];
                const bool command = op.number[0] == JSV_CREDENTIAL_COMMAND;
                if (op.kind != JSV_OP_CREDENTIAL || command != commands) continue;
                report.set_step(i);
                TRY_VOID(add(op, store, owner));
            }
        }
        return store.seal(owner);
    }

private:
    Result<void> add(const Op& op, CredentialStore& store, CredentialStore::Owner owner) {
        auto secret = fetch(op);
        if (!secret) return fail_in(op.text[0], std::move(secret).error());
        TRY_VOID(count(op, secret->bytes().size()));
        return store.add(op.text[0], *secret, owner);
    }

    Result<Secret> fetch(const Op& op) {
        if (op.number[0] == JSV_CREDENTIAL_ENCRYPTED) {
            return decrypt_file(HostKey::path(task_.places), op.text[1], op.text[0]);
        }
        if (op.number[0] == JSV_CREDENTIAL_COMMAND) return run(op);
        TRY(const Fd file, open_secret_file(op.text[1], Readers::kNotEverybody));
        return read_secret(file.get(), kMaxCredential, op.text[1]);
    }

    Result<Secret> run(const Op& op) {
        CommandPlace place{.spawn = task_.spawn,
                           .groups = task_.groups,
                           .hidden = hidden_directories(task_.places)};
        place.spawn.clone_parent = false;
        place.spawn.ground = nullptr;  // not passed on either
        place.spawn.probe = -1;
        return run_command(place, {plan_.unit, op.text[0], op.text[1]},
                           std::chrono::steady_clock::now() + patience_);
    }

    Result<void> count(const Op& op, std::size_t bytes) {
        if (bytes > kMaxCredential) {
            return fail(fmt::format("{}: {} bytes; a credential has at most {}", op.text[0], bytes,
                                    kMaxCredential),
                        EFBIG);
        }
        total_ += bytes;
        if (total_ <= kMaxCredentialBytes) return {};
        return fail(fmt::format("{}: more than {} bytes in all", op.text[0], kMaxCredentialBytes),
                    EFBIG);
    }

    const CredentialTask& task_;
    Plan plan_;
    std::chrono::nanoseconds patience_;
    std::size_t total_ = 0;
};

std::vector<int> kept_descriptors(const CredentialTask& task, const CredentialStore& store) {
    std::vector<int> kept = {store.mount(), task.spawn.stub_program, task.groups.unified};
    kept.insert(kept.end(), task.groups.tasks, task.groups.tasks + task.groups.task_count);
    return kept;
}

}  // namespace

Jailed<CredentialJob> CredentialJob::start(const CredentialTask& task) {
    std::uint32_t index = 0;
    std::chrono::nanoseconds patience{};
    task.plan.for_each(JSV_OP_CREDENTIALS, [&](std::uint32_t i, const Op& op) {
        index = i;
        patience = std::chrono::nanoseconds(op.number[0]);
    });
    std::size_t commands = 0;
    task.plan.for_each(JSV_OP_CREDENTIAL, [&](std::uint32_t, const Op& op) {
        commands += op.number[0] == JSV_CREDENTIAL_COMMAND ? 1 : 0;
    });
    const auto refuse = [&](Error error) {
        return std::unexpected(JailFailure{index, error.code, std::move(error.message)});
    };
    auto store = CredentialStore::make();
    if (!store) return refuse(std::move(store).error());
    auto report = SharedReport::make(kMaxMessage);
    if (!report) return refuse(std::move(report).error());
    report->set_step(index);
    auto worker = WorkerProcess::start(
        [&] {
            const auto filled = Fetcher(task, patience).fill(*store, *report);
            report->finish(filled ? SharedReport::Outcome::kDone : SharedReport::Outcome::kError,
                           filled ? "" : filled.error().message);
        },
        kept_descriptors(task, *store));
    if (!worker) return refuse(std::move(worker).error());
    const double each = std::chrono::duration<double>(patience).count();
    return CredentialJob(std::move(*store), std::move(*report), std::move(*worker),
                         kFilesLimit + each * static_cast<double>(commands));
}

Jailed<Fd> CredentialJob::finish() {
    const auto end = worker_.poll();
    const SharedReport::Outcome outcome = report_.outcome();
    if (outcome == SharedReport::Outcome::kDone && end && end->succeeded()) return store_.take();
    if (outcome == SharedReport::Outcome::kError) {
        return std::unexpected(JailFailure{report_.step(), 0, report_.text()});
    }
    return std::unexpected(
        not_held(report_.step(),
                 fmt::format("the process that reads it {}", end ? end->describe() : "is lost")));
}

JailFailure CredentialJob::late() const {
    return failed(report_.step(), "reading it", ETIMEDOUT);
}

}  // namespace jailsvc::jailer
