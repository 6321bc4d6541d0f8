#include "jailer/jail/attest_landlock.hpp"

#include <fmt/format.h>
#include <linux/mount.h>

#include <algorithm>

#include "jailer/child/child_fs.hpp"
#include "jailer/child/landlock_rights.hpp"
#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer {
namespace {

std::uint32_t wanted_evidence(const Plan& plan, const Op& op) {
    const auto handled = landlock::common({op.number[0], op.number[1], op.number[2]},
                                          landlock::known_rights(landlock::abi()));
    const auto rules = std::ranges::count_if(plan.ops, [](const Op& other) {
        return other.kind == JSV_OP_LANDLOCK_PATH || other.kind == JSV_OP_LANDLOCK_PORT;
    });
    auto wanted = static_cast<std::uint32_t>(rules) * landlock::kOneRule;
    if (handled.fs != 0) wanted |= landlock::kProbedFs;
    if (handled.net != 0) wanted |= landlock::kProbedNet;
    if ((handled.scoped & landlock::kScopeAbstractSockets) != 0) wanted |= landlock::kProbedScope;
    return wanted;
}

/// The first thing missing, as people call it.
const char* name_missing(std::uint32_t wanted, std::uint32_t seen) {
    const std::uint32_t missing = wanted & ~seen;
    if ((missing & landlock::kProbedFs) != 0) return "making a block device was not denied";
    if ((missing & landlock::kProbedNet) != 0) return "a port no rule allows was not denied";
    if ((missing & landlock::kProbedScope) != 0) return "an abstract socket outside was not denied";
    return "the ruleset has another number of rules than the plan";
}

}  // namespace

Result<Fd> open_probe() {
    constexpr std::uint64_t kBytes = 4096;
    const int mount =
        new_tmpfs(kBytes, 0777, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (mount < 0) return fail_errno("a tmpfs for Landlock to be tried in", -mount);
    return Fd(mount);
}

std::optional<JailFailure> attest_landlock(const Plan& plan, std::uint32_t index,
                                           std::uint32_t evidence) {
    const std::uint32_t wanted = wanted_evidence(plan, plan.ops[index]);
    if (evidence == wanted) return std::nullopt;
    return not_held(index, name_missing(wanted, evidence));
}

}  // namespace jailsvc::jailer
