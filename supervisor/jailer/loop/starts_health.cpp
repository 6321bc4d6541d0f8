// Health checks: an exec of the unit's own runs as its other commands do; for the rest
// jailsvc-probe enters the unit's jail, under a plan of its own.

#include "jailer/jail/probe.hpp"
#include "jailer/loop/starts_work.hpp"

namespace jailsvc::jailer {

bool Starts::is_probe(const Job& job, const Jail& jail) {
    return job.request.purpose == ipc::Purpose::kHealth && jail.loaded->unit.health->exec.empty();
}

const CompiledPlan& Starts::plan_of(const Job& job, const Jail& jail) {
    const LoadedUnit& loaded = *jail.loaded;
    return is_probe(job, jail) && loaded.probe_plan ? *loaded.probe_plan : loaded.plan;
}

Result<void> Starts::make_check(const Job& job, OutputFiles& files, Jail& jail, Program& program) {
    const config::HealthTable& health = *jail.loaded->unit.health;
    if (!health.present()) return fail("the unit has no health check", EINVAL);
    if (!is_probe(job, jail)) {
        program.argv.assign(health.exec.begin(), health.exec.end());
        TRY_VOID(give_log(program, files, jail));
        program.stdout_fd = -1;  // "PONG", every few seconds, for years
        return {};
    }
    if (core_.spawn.probe_program < 0) {
        return fail("jailsvc-probe could not be held in memory; see the jailer's first lines",
                    ENOENT);
    }
    if (!jail.loaded->probe_plan) {
        TRY(CompiledPlan plan, make_probe_plan(jail.loaded->plan));
        jail.loaded->probe_plan = std::make_unique<CompiledPlan>(std::move(plan));
    }
    TRY(program.argv, probe_arguments(health));
    program.executable = core_.spawn.probe_program;
    return {};
}

}  // namespace jailsvc::jailer
