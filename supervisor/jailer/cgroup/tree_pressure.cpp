// Triggers of a plan, set in a unit's group.
#include <algorithm>

#include "jailer/cgroup/plan_limits.hpp"
#include "jailer/cgroup/tree.hpp"
#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

PressureTrigger trigger_of(const Op& op) {
    PressureTrigger trigger;
    for (const auto resource : {ipc::Resource::kMemory, ipc::Resource::kCpu, ipc::Resource::kIo}) {
        if (controller_of(op.text[0]) == name_of(resource)) trigger.resource = resource;
    }
    trigger.text = op.text[1];
    trigger.action = static_cast<ipc::OnPressure>(op.number[0]);
    trigger.signo = static_cast<int>(op.number[1]);
    return trigger;
}

}  // namespace

/// The unit's group in version 2, which alone tells pressure and asks programs.
std::string Tree::unified_directory(const std::string& unit) {
    const Branch* branch = tracker();
    if (branch == nullptr || branch->own.version != Version::kV2) return {};
    return directory_of(unit, "");
}

std::optional<JailFailure> Tree::arm_triggers(const std::string& unit, const CompiledPlan& plan,
                                              std::vector<JailFailure>& weakened) {
    std::optional<JailFailure> failure;
    plan.for_each(JSV_OP_PRESSURE, [&](std::uint32_t index, const Op& op) {
        if (failure) return;
        const std::string directory = unified_directory(unit);
        const auto armed =
            directory.empty()
                ? fail(
                      "groups tell pressure in cgroup v2 only, which is not mounted here; list "
                      "the key in [jail] optional to run without",
                      ENOENT)
                : pressure_.arm(unit, directory, trigger_of(op));
        if (armed) return;
        JailFailure one{index, armed.error().code, armed.error().message};
        if (!passes(plan, one, weakened)) failure = std::move(one);
    });
    return failure;
}

/// That we hold it open and were told that it is set: the kernel shows nothing of it.
std::optional<JailFailure> Tree::attest_triggers(const std::string& unit, const CompiledPlan& plan,
                                                 std::vector<JailFailure>& weakened) {
    std::optional<JailFailure> failure;
    plan.for_each(JSV_OP_PRESSURE, [&](std::uint32_t index, const Op& op) {
        if (failure || pressure_.armed(unit, trigger_of(op))) return;
        auto one = not_held(index, "its trigger is not set");
        if (!passes(plan, one, weakened)) failure = std::move(one);
    });
    return failure;
}

void Tree::watch_pressure(const std::string& unit, const CompiledPlan& plan) {
    std::vector<JailFailure> weakened;
    (void)arm_triggers(unit, plan, weakened);  // attested when the jail is entered again
}

}  // namespace jailsvc::jailer::cgroup
