// The limits of a plan: written into a unit's groups, and read back from the kernel.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"
#include "jailer/cgroup/group_files.hpp"
#include "jailer/cgroup/plan_limits.hpp"
#include "jailer/cgroup/tree.hpp"
#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr int kBusyTries = 20;  ///< [ms] for the last process's end to become visible

using Weakened = std::vector<JailFailure>;

JailFailure no_group(std::uint32_t op, const std::string& why) {
    return not_held(op, why + "; list the key in [jail] optional to run without that limit");
}

}  // namespace

std::vector<Limit> limits_of(const CompiledPlan& plan) {
    std::vector<Limit> limits;
    plan.for_each(JSV_OP_CGROUP, [&](std::uint32_t index, const Op& op) {
        limits.push_back({index, op.text[0], op.text[1]});
    });
    return limits;
}

bool passes(const CompiledPlan& plan, JailFailure failure, Weakened& weakened) {
    if (!plan.is_optional(failure.op)) return false;
    weakened.push_back(std::move(failure));
    return true;
}

/// The tracker; what has to be written; memory and processor time, for status.
Tree::Mask Tree::branches_for(std::span<const Write> writes) {
    Mask mask = 0;
    const auto add = [&](const Branch* branch) {
        if (branch != nullptr) mask |= Mask{1} << (branch - branches_.data());
    };
    const Branch* tracking = tracker();
    add(tracking);
    add(branch_of("memory"));
    // Version 2 counts it in every group, whoever has the controller.
    if (tracking != nullptr && tracking->own.version == Version::kV1) add(branch_of("cpuacct"));
    for (const Write& write : writes) add(branch_of(write.controller));
    return mask;
}

Result<void> Tree::write_limit(const std::string& unit, const Write& write) {
    const Branch* branch = branch_of(write.controller);
    const std::string directory = directory_of(unit, write.controller);
    if (branch == nullptr || directory.empty()) {
        return fail(why_not_.empty() ? "the unit has no group for it" : why_not_);
    }
    if (branch->own.version == Version::kV2) TRY_VOID(enable(*branch, write.controller));
    auto done = sys::write_file(directory + '/' + write.file, write.value);
    if (!done) {
        return fail_errno(fmt::format("{} := {}", directory + '/' + write.file, write.value),
                          done.error().code);
    }
    return {};
}

Jailed<Weakened> Tree::make(const std::string& unit, const Digest& digest,
                            const CompiledPlan& plan) {
    const std::vector<Limit> limits = limits_of(plan);
    const Translation wanted = translate(limits, controllers_);
    Weakened weakened;
    for (const Refused& refused : wanted.refused) {
        auto failure = no_group(refused.op, refused.why);
        if (!passes(plan, failure, weakened)) return std::unexpected(std::move(failure));
    }
    const auto known = groups_.find(unit);
    const bool there = known != groups_.end() && known->second.digest == digest &&
                       !known->second.killed && ::access(directory_of(unit, "").c_str(), F_OK) == 0;
    if (there) {
        pressure_.drain(unit);
        return weakened;
    }
    const auto devices = device_list(plan);
    if (!devices) return std::unexpected(devices.error());
    // Limits of another version of the unit must not stay in force.
    for (int tries = 0; has(unit) && !remove(unit); ++tries) {
        kill(unit);
        if (tries == kBusyTries) {
            return std::unexpected(failed(kStepCgroup, "its former control group", EBUSY));
        }
        ::poll(nullptr, 0, 1);
    }
    Mask branches = branches_for(wanted.writes);
    if (needs_device_group(*devices))
        branches |= Mask{1} << (branch_of("devices") - branches_.data());
    const auto made = make_groups(unit, branches);
    if (!made) {
        (void)remove(unit);
        return std::unexpected(
            JailFailure{kStepCgroup, made.error().code, "make it: " + made.error().message});
    }
    groups_[unit] = {.digest = digest, .mask = *made};
    groups_[unit].end_all_on_oom = wanted.end_all_on_oom;
    if (groups_[unit].mask == 0) groups_.erase(unit);
    for (const Write& write : wanted.writes) {
        const auto done = write_limit(unit, write);
        if (done) continue;
        JailFailure failure{write.op, done.error().code, done.error().message};
        if (passes(plan, failure, weakened)) continue;
        (void)remove(unit);
        return std::unexpected(std::move(failure));
    }
    auto failure = restrict_devices(unit, plan, *devices, weakened);
    if (!failure) failure = arm_triggers(unit, plan, weakened);
    if (failure) {
        (void)remove(unit);
        return std::unexpected(std::move(*failure));
    }
    if (!wanted.writes.empty()) watch_limits(unit);
    return weakened;
}

Jailed<void> Tree::attest_place(const std::string& unit, pid_t pid) {
    const auto text = sys::read_file(fmt::format("/proc/{}/cgroup", pid));
    if (!text) return std::unexpected(failed(kStepCgroup, "/proc/PID/cgroup", text.error().code));
    const Mask mask = mask_of(unit);
    for (std::size_t i = 0; i < branches_.size(); ++i) {
        if ((mask & (Mask{1} << i)) == 0) continue;
        const std::string seen = path_in(*text, branches_[i].own);
        const std::string wanted = branches_[i].path + '/' + group_name(unit);
        if (seen == wanted) continue;
        return std::unexpected(
            not_held(kStepCgroup, fmt::format("pid {} is in {}, not in {}", pid, seen, wanted)));
    }
    return {};
}

Jailed<Weakened> Tree::attest(const std::string& unit, const CompiledPlan& plan, pid_t pid) {
    if (auto inside = attest_place(unit, pid); !inside) {
        return std::unexpected(std::move(inside).error());
    }
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::vector<Limit> limits = limits_of(plan);
    const Translation wanted = translate(limits, controllers_);
    Weakened weakened;
    for (const Refused& refused : wanted.refused) {
        auto failure = no_group(refused.op, refused.why);
        if (!passes(plan, failure, weakened)) return std::unexpected(std::move(failure));
    }
    for (const Write& write : wanted.writes) {
        const std::string directory = directory_of(unit, write.controller);
        const auto seen = sys::read_file(directory + '/' + write.file);
        if (!directory.empty() && seen && holds(write, *seen, page)) continue;
        auto failure =
            directory.empty()
                ? no_group(write.op, why_not_.empty() ? "the unit has no group for it" : why_not_)
            : !seen ? JailFailure{write.op, seen.error().code, seen.error().message}
                    : not_held(write.op, fmt::format("{}/{} is {}, not {}", directory, write.file,
                                                     *seen, write.value));
        if (!passes(plan, failure, weakened)) return std::unexpected(std::move(failure));
    }
    auto failure = attest_devices(unit, plan, weakened);
    if (!failure) failure = attest_triggers(unit, plan, weakened);
    if (failure) return std::unexpected(std::move(*failure));
    return weakened;
}

}  // namespace jailsvc::jailer::cgroup
