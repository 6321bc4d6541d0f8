#include "jailer/jail/failure.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "jailer/jail/landlock_cure.hpp"

namespace jailsvc::jailer {
namespace {

using About = GateReport::About;

std::string error_text(int code) {
    const char* text = ::strerrordesc_np(code);
    return text != nullptr ? text : fmt::format("error {}", code);
}

std::string_view step_name(std::uint32_t step) {
    switch (step) {
        case kStepDescriptors:
            return "placing descriptors";
        case kStepEnter:
            return "entering the jail";
        case kStepPivot:
            return "changing the root";
        case kStepExec:
            return "executing the program";
        case kStepClone:
            return "making the process";
        case kStepScratch:
            return "the jail's own tmpfs";
        case kStepPrivate:
            return "making mounts private";
        case kStepLockStub:
            return "giving up privileges";
        case kStepIsolation:
            return "isolation";
        case kStepDirectory:
            return "changing the working directory";
        case kStepCgroup:
            return "entering its control group";
        case kStepKeyring:
            return "joining a session keyring";
        case kStepMain:
            return "the second stage of its promises, at main";
        case kStepReport:
            return "telling the jailer";
        default:
            return "a step";
    }
}

/// The text field that holds the path an errno is about.
std::string_view path_of(const Op& op, About about) {
    if (about == About::kSource) return op.text[0];
    if (about != About::kTarget) return {};
    return op.kind == JSV_OP_BIND ? op.text[1] : op.text[0];
}

std::string_view part_name(About about) {
    switch (about) {
        case About::kWhole:
            return "";
        case About::kSource:
            return "source ";
        case About::kTarget:
            return "target ";
        case About::kMount:
            return "mount";
        case About::kReadBack:
            return "read back";
    }
    return "";
}

/// What to do about a path that is not there; empty where the error says enough.
std::string cure(const Op& op, About about, int code) {
    if (op.kind == JSV_OP_LANDLOCK && code == EOPNOTSUPP) {
        return landlock_cure({op.number[0], op.number[1], op.number[2]}, landlock::abi());
    }
    if (op.kind == JSV_OP_LANDLOCK && code == EPERM) {
        return "set no_new_privileges = true in [jail.identity], without which Landlock needs "
               "sys_admin";
    }
    if (code != ENOENT) return "";
    if (op.kind == JSV_OP_LANDLOCK_PATH || op.kind == JSV_OP_REVEAL)
        return "make it, or write \"-PATH\" if it may be absent";
    if (op.kind == JSV_OP_ROOT) return "make that directory, or correct the jail's root";
    if (about == About::kSource) return "make it, or take it out of the unit";
    if (about == About::kTarget && op.kind == JSV_OP_BIND) {
        return "nothing is made there in a read-only root: bind over a path that exists";
    }
    return "";
}

/// The working directory is no operation of its own in a report.
std::string working_directory_of(const Plan& plan) {
    const auto op = std::ranges::find(plan.ops, JSV_OP_CHDIR, &Op::kind);
    return op == plan.ops.end() ? std::string() : op->text[0];
}

JailFailure step_failed(const Plan& plan, const GateReport& report) {
    if (report.op != kStepDirectory) return failed(report.op, "", report.code);
    JailFailure result = failed(report.op, working_directory_of(plan), report.code);
    result.text += "; working_directory names it as the jail sees it";
    return result;
}

}  // namespace

std::string name_of(const Plan& plan, std::uint32_t op) {
    if (op >= plan.ops.size()) return std::string(step_name(op));
    const Op& of = plan.ops[op];
    const KindInfo* kind = find_kind(of.kind);
    return fmt::format("{}: {}", of.plugin, kind != nullptr ? kind->name : "operation");
}

JailFailure failed(std::uint32_t op, std::string_view what, int code) {
    std::string error = error_text(code);
    if (code == EPERM && ::geteuid() != 0) {
        error += "; the supervisor is not root, which jails need: run jailsvc-init as root";
    }
    return {op, code, what.empty() ? error : fmt::format("{}: {}", what, error)};
}

JailFailure not_held(std::uint32_t op, std::string text) {
    return {op, 0, std::move(text)};
}

JailFailure from_report(const Plan& plan, const GateReport& report) {
    const bool of_plan = report.op < plan.ops.size();
    if (report.code == kNotHeld) {
        return not_held(report.op, of_plan ? fmt::format("{}: the kernel says something else than "
                                                         "was asked for",
                                                         plan.ops[report.op].text[0])
                                           : "does not hold");
    }
    if (!of_plan) return step_failed(plan, report);
    const Op& op = plan.ops[report.op];
    if (report.code == kForeignLink) {
        return not_held(report.op,
                        fmt::format("source {}: a symbolic link on the way belongs to somebody "
                                    "other than root; name where it leads, or chown it",
                                    op.text[0]));
    }
    JailFailure result =
        failed(report.op, fmt::format("{}{}", part_name(report.about), path_of(op, report.about)),
               report.code);
    const std::string help = cure(op, report.about, report.code);
    if (!help.empty()) result.text += fmt::format("; {}", help);
    return result;
}

std::string describe(const Plan& plan, const JailFailure& failure) {
    return fmt::format("{}: {}: {}", plan.unit, name_of(plan, failure.op), failure.text);
}

}  // namespace jailsvc::jailer
