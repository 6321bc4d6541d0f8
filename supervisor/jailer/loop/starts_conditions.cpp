// What a start has to find on this machine: looked at by the jailer, since the engine may not.

#include <algorithm>

#include "base/clock.hpp"
#include "jailer/conditions/machine.hpp"
#include "jailer/loop/starts_work.hpp"

namespace jailsvc::jailer {
namespace {

StartFailure not_held(const char* operation, std::string text) {
    return {0, "core", operation, std::move(text)};
}

std::optional<StartFailure> look(const config::ConditionTable& conditions,
                                 const config::ConditionTable& assertions) {
    const Machine machine;
    // A condition comes first: who is skipped has nothing to assert.
    if (auto text = unmet(conditions, "condition", machine)) {
        return not_held(ipc::kConditionUnmet, std::move(*text));
    }
    if (auto text = unmet(assertions, "assertion", machine)) {
        return not_held(ipc::kAssertionUnmet, std::move(*text));
    }
    return std::nullopt;
}

}  // namespace

/// Nothing is executed: it is done when all of them hold. The unit is the one whose plan the start
/// will need, so that what was loaded is started again though its file is being edited; a target
/// has no plan, and is read.
void Starts::look_at_conditions(Job& job) {
    Digest digest;
    std::ranges::copy(job.request.digest, digest.begin());
    const auto looked = [this, token = job.request.token, digest](const Result<LoadedPtr>& loaded) {
        Job* waiting = find(token);
        if (waiting == nullptr) return;
        if (loaded) {
            const PlannedUnit& unit = (*loaded)->unit;
            return conditions_seen(*waiting, look(*unit.condition, *unit.assertion));
        }
        const auto target =
            config::load_unit(core_.units.sources(), core_.plugins.schema(), waiting->unit);
        if (!target || !target->is_target || target->digest != digest) {
            return fail_job(*waiting, to_failure("unit", loaded.error()));
        }
        conditions_seen(*waiting, look(*target->condition, *target->assertion));
    };
    core_.units.get(job.unit, digest, looked);
}

void Starts::conditions_seen(Job& job, std::optional<StartFailure> failure) {
    if (failure) return fail_job(job, std::move(*failure));
    const ipc::Token token = job.request.token;
    Executed done{.unit = job.unit, .exec_ns = boottime_ns()};
    jobs_.erase(token);  // `job` is gone from here on
    answer({token, std::move(done)});
}

}  // namespace jailsvc::jailer
