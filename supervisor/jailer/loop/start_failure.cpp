#include "jailer/loop/start_failure.hpp"

namespace jailsvc::jailer {
namespace {

std::string step_name(std::uint32_t step) {
    switch (step) {
        case kStepDescriptors:
            return "descriptors";
        case kStepEnter:
            return "enter";
        case kStepPivot:
            return "pivot";
        case kStepExec:
            return "exec";
        case kStepClone:
            return "clone";
        case kStepScratch:
            return "scratch";
        case kStepPrivate:
            return "private mounts";
        case kStepLockStub:
            return "lock init";
        case kStepIsolation:
            return "isolation";
        case kStepCgroup:
            return "cgroup";
        case kStepDirectory:
            return "working directory";
        case kStepKeyring:
            return "keyring";
        case kStepReport:
            return "report";
        default:
            return "start";
    }
}

}  // namespace

StartFailure to_failure(const Plan& plan, const JailFailure& failure) {
    StartFailure result;
    result.code = failure.code;
    result.text = describe(plan, failure);
    if (failure.op < plan.ops.size()) {
        const Op& op = plan.ops[failure.op];
        const KindInfo* kind = find_kind(op.kind);
        result.plugin = op.plugin;
        result.operation = kind != nullptr ? kind->name : "operation";
    } else {
        result.operation = step_name(failure.op);
    }
    return result;
}

StartFailure to_failure(const std::string& operation, const Error& error) {
    return StartFailure{error.code, "core", operation, error.message};
}

}  // namespace jailsvc::jailer
