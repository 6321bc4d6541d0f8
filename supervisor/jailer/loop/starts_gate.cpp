// A start from its process's first report to the exec: what it says, the attest, the gate.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.hpp"
#include "jailer/loop/starts_work.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kMainLimit = 10;  ///< [s] from exec to main, where a filter is installed there

/// The two mistakes that people make with the name of a program (execve(2)).
std::string_view cure_of_exec(int code) {
    switch (code) {
        case ENOENT:
            return "the path is looked up inside the jail: install it there or bind it, and check "
                   "its #! line";
        case EACCES:
            return "make it executable (chmod +x) and readable for the user it runs as";
        default:
            return "it must be a program or a script with a #! line";
    }
}

}  // namespace

StartFailure Starts::told_by_child(const Job& job, const Plan& plan, const JailFailure& failure) {
    StartFailure told = to_failure(plan, failure);
    if (failure.op == kStepExec) {
        told.text = fmt::format("{}: {}: {}; {}", job.unit, job.launched->program,
                                ::strerrordesc_np(failure.code), cure_of_exec(failure.code));
    }
    return told;
}

/// Watches the listener as long as there is one.
void Starts::watch_exec(Job& job) {
    Launched& launched = *job.launched;
    if (!launched.child.listener) return launched.exec.stop();
    if (launched.exec.active()) return;
    launched.exec.start(launched.child.listener.get(), EV_READ, [this, &job] { reported(job); });
}

void Starts::reported(Job& job) {
    const Jail& jail = *jails_.find(job.unit);
    const CompiledPlan& plan = plan_of(job, jail);
    for (;;) {
        const auto report = read_report(plan, job.launched->child);
        watch_exec(job);
        if (!report) return;
        switch (report->kind) {
            case Report::Kind::kWeakened:
                ++job.weakened;
                spdlog::warn("{}", describe(plan.plan(), report->failure));
                continue;
            case Report::Kind::kReady:
                return at_gate(job, report->evidence);
            case Report::Kind::kFailed:
                return fail_in_jail(job, told_by_child(job, plan.plan(), report->failure));
            case Report::Kind::kMain:
                return at_main(job);
            case Report::Kind::kBuilt:
            case Report::Kind::kEnd:
                if (job.gate_opened && job.launched->child.main == Parked::Main::kAwaited) {
                    return fail_job(job, no_main(job));
                }
                if (job.gate_opened) return executed(job);
                return fail_in_jail(job, {0, "core", "start",
                                          job.unit + ": its process ended before it was ready"});
        }
    }
}

/// A process fails, whatever it is at, when the jail in the making turns out not to hold and ends:
/// then that is what has to be told, once it has ended.
void Starts::fail_in_jail(Job& job, StartFailure failure) {
    if (job.jail_holds) return fail_job(job, std::move(failure));
    const ipc::Token token = job.request.token;
    const std::string unit = job.unit;
    jails_.ask_init(unit);
    if (find(token) == nullptr) return;
    const Jail* jail = jails_.find(unit);
    if (jail == nullptr || jail->state != Jail::State::kEnding) {
        return fail_job(job, std::move(failure));
    }
    if (!job.launched) return;  // it could not even be cloned
    job.launched->gate.stop();
    job.launched->exec.stop();
}

/// A process that has ended meanwhile cannot be looked at or let go; why it has, it may have told.
StartFailure Starts::last_told(Job& job, StartFailure seen) {
    const CompiledPlan& plan = plan_of(job, *jails_.find(job.unit));
    const auto last = read_report(plan, job.launched->child);
    if (!last || last->kind != Report::Kind::kFailed) return seen;
    return told_by_child(job, plan.plan(), last->failure);
}

void Starts::at_gate(Job& job, std::uint32_t evidence) {
    Jail& jail = *jails_.find(job.unit);
    const pid_t pid = job.launched->child.pid;
    const CompiledPlan& plan = plan_of(job, jail);
    const auto seen = attest_program(plan, jail.ids, jail.stub_pid, pid, job.launched->passed,
                                     evidence, job.launched->executable);
    if (!seen) {
        return fail_in_jail(job, last_told(job, to_failure(plan.plan(), seen.error())));
    }
    job.weakened = std::max(job.weakened, static_cast<std::uint32_t>(seen->size()));
    if (auto held = jails_.attest_group(jail, pid); !held) {
        return fail_in_jail(job, held.error());
    }
    job.at_gate = true;
    if (job.jail_holds) let_through(job);
}

void Starts::let_through(Job& job) {
    // Not before the keeper has the Register: no exit of a program that ran may be unknown to it.
    core_.keeper.when_drained([this, token = job.request.token] {
        Job* ready = find(token);
        if (ready == nullptr || !ready->jail_holds || !ready->at_gate) return;
        ready->gate_opened = true;
        ready->launched->exec.stop();  // before its descriptor is closed
        if (auto opened = let_go(*ready); !opened) {
            return fail_job(*ready, last_told(*ready, to_failure("gate", opened.error())));
        }
        watch_exec(*ready);
    });
}

StartFailure Starts::no_main(const Job& job) {
    return {0, "pledge", "seccomp_main",
            fmt::format("{}: {} did not report from its main, where the second stage of its "
                        "promises was to begin: it may be static, have a loader that does not "
                        "preload, or have ended before; set stage = \"exec\" in [jail.pledge]",
                        job.unit, job.launched->program)};
}

void Starts::at_main(Job& job) {
    const CompiledPlan& plan = jails_.find(job.unit)->loaded->plan;
    Parked& child = job.launched->child;
    if (auto held = attest_main(plan, child.pid); !held) {
        return fail_job(job, to_failure(plan.plan(), held.error()));
    }
    child.main = Parked::Main::kReached;
    if (auto opened = open_gate(child); !opened) {
        return fail_job(job, to_failure("gate", opened.error()));
    }
}

Result<void> Starts::let_go(Job& job) {
    Launched& launched = *job.launched;
    Parked& child = launched.child;
    if (child.main == Parked::Main::kAwaited) {
        TRY_VOID(send_main_filter(jails_.find(job.unit)->loaded->plan, child));
        launched.limit.start(kMainLimit, [this, &job] { fail_job(job, no_main(job)); });
    }
    if (!child.learns) return open_gate(child);
    spdlog::warn("{}: is being learned: its promises are not in force", job.unit);
    return start_learner(core_.spawn, job.unit, launched.program, child);
}

void Starts::executed(Job& job) {
    const ipc::Token token = job.request.token;
    Jail& jail = *jails_.find(job.unit);
    const auto member = jail.members.find(token);
    const pid_t pid = job.launched->child.pid;
    Executed done{.unit = job.unit,
                  .pid = pid,
                  .weakened = jail.weakened + jail.weakened_limits + job.weakened,
                  .exec_ns = boottime_ns()};
    if (member != jail.members.end()) {
        member->second->executed = true;
        member->second->exec_ns = done.exec_ns;
        member->second->weakened = done.weakened;
    }
    const bool is_main = job.request.purpose == ipc::Purpose::kMain;
    const std::string unit = job.unit;
    jobs_.erase(token);  // `job` is gone from here on
    answer({token, std::move(done)});
    if (!is_main) return;
    listeners_.given(unit);
    if (auto told = core_.plugins.started(unit, pid); !told) {
        spdlog::error("{}: {}", unit, told.error().message);
    }
}

}  // namespace jailsvc::jailer
