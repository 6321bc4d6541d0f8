#include "jailer/plan/plan_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "jailer/child/landlock_rights.hpp"
#include "jailer/plan/credential_access.hpp"
#include "jailer/plan/plan_relations.hpp"
#include "jailer/plan/plan_values.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint32_t kMountFlags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV |
                                      JSV_MOUNT_NOEXEC | JSV_MOUNT_CREATE | JSV_MOUNT_OPTIONAL;

std::uint32_t allowed_flags(const Op& op) {
    if (op.kind == JSV_OP_HOST_DIRECTORY) return JSV_DIR_RECREATE;
    if (op.kind == JSV_OP_IDS) return JSV_IDS_DYNAMIC;
    if (op.kind == JSV_OP_ID_MAP) return JSV_ID_MAP_OWN;
    if (op.kind == JSV_OP_ROOT || op.kind == JSV_OP_BIND) return kMountFlags | JSV_MOUNT_IDMAP;
    if (op.kind == JSV_OP_DEVICES) return JSV_DEVICES_DEFAULT;
    if (op.kind == JSV_OP_ENVIRONMENT) return JSV_ENV_SECRET;
    if (op.kind == JSV_OP_LANDLOCK) return JSV_LANDLOCK_SCOPE_IF_KNOWN;
    if (op.kind == JSV_OP_LANDLOCK_PATH) return JSV_MOUNT_OPTIONAL;
    if (op.kind == JSV_OP_REVEAL) {
        return JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC | JSV_MOUNT_OPTIONAL;
    }
    if (op.kind == JSV_OP_SECCOMP) {
        return JSV_SECCOMP_EXEC_ONCE | JSV_SECCOMP_NO_UNIX_SOCKETS | JSV_SECCOMP_LEARN;
    }
    if (op.kind == JSV_OP_CREDENTIALS) return 0;
    const bool mounts = op.stage == JSV_STAGE_MOUNTS && find_kind(op.kind)->paths > 0;
    return mounts ? kMountFlags : 0;
}

/// Lengths, paths and unused fields: the same rule for all kinds, from their table.
Result<void> check_fields(const Op& op, const KindInfo& info) {
    if (op.stage != info.stage) return refuse(op, "wrong stage");
    if ((op.flags & ~allowed_flags(op)) != 0) {
        return refuse(op, fmt::format("unknown flags {:#x}", op.flags & ~allowed_flags(op)));
    }
    for (std::size_t i = 0; i < op.text.size(); ++i) {
        const std::string& text = op.text[i];
        if (info.text[i].empty() && !text.empty()) return refuse(op, "a text too many");
        if (text.size() > kMaxText) return refuse(op, "a text longer than 64 KiB");
        // The interpreter works on C strings: a NUL would hide the rest.
        if (text.find('\0') != std::string::npos) return refuse(op, "a NUL in a text");
        if (i < info.paths) TRY_VOID(check_path(op, info.text[i], text));
    }
    for (std::size_t i = 0; i < op.number.size(); ++i) {
        if (info.number[i].empty() && op.number[i] != 0) return refuse(op, "a number too many");
    }
    if (op.blob.size() > kMaxBlob) return refuse(op, "a blob longer than 64 KiB");
    const bool takes_blob =
        op.kind == JSV_OP_IDS || op.kind == JSV_OP_SECCOMP || op.kind == JSV_OP_SECCOMP_MAIN;
    if (!takes_blob && !op.blob.empty()) return refuse(op, "takes no blob");
    return {};
}

/// Kinds that make no sense twice: two plugins would be at odds over the one value.
bool is_single(jsv_kind kind) {
    return kind == JSV_OP_ROOT || kind == JSV_OP_HOSTNAME || kind == JSV_OP_ID_MAP ||
           kind == JSV_OP_IDS || kind == JSV_OP_CAPABILITIES || kind == JSV_OP_SECUREBITS ||
           kind == JSV_OP_NETWORK || kind == JSV_OP_LANDLOCK || kind == JSV_OP_VIEW ||
           kind == JSV_OP_NETWORK_JOIN || kind == JSV_OP_SECCOMP || kind == JSV_OP_SECCOMP_MAIN ||
           kind == JSV_OP_CREDENTIALS;
}

bool needs_root(const Op& op) {
    return op.stage == JSV_STAGE_MOUNTS && op.kind != JSV_OP_HOSTNAME && op.kind != JSV_OP_SYSCTL;
}

/// Within a stage: the root before the mounts in it, the view of them after all; and the last locks
/// in the order of their kinds, which is that of DESIGN §6: a filter of system calls would refuse
/// what comes after it.
unsigned turn(const Op& op) {
    if (op.stage == JSV_STAGE_LOCKDOWN) return static_cast<unsigned>(op.kind);
    if (op.kind == JSV_OP_ROOT) return 0;
    if (op.kind == JSV_OP_VIEW) return 2;  // the core's, too, show something in it
    return op.kind == JSV_OP_REVEAL ? 3 : 1;
}

std::tuple<jsv_stage, unsigned, std::string_view> rank(const Op& op) {
    return {op.stage, turn(op), op.plugin};
}

/// What came before an operation of a plan.
struct Before {
    std::uint64_t namespaces = 0;  ///< of the whole plan
    jsv_stage stage = JSV_STAGE_PARENT;
    std::set<jsv_kind> single{};
};

/// What must stand before an operation so that it means something.
Result<void> check_needs(const Op& op, const Before& before) {
    const auto has = [&](jsv_kind kind) { return before.single.contains(kind); };
    if (needs_root(op) && op.kind != JSV_OP_ROOT && !has(JSV_OP_ROOT)) {
        return refuse(op, "a mount without a root to put it in; set jail.chroot.mode");
    }
    const bool rule = op.kind == JSV_OP_LANDLOCK_PATH || op.kind == JSV_OP_LANDLOCK_PORT;
    if (rule && !has(JSV_OP_LANDLOCK)) return refuse(op, "a rule without a ruleset before it");
    if (op.kind == JSV_OP_REVEAL && !has(JSV_OP_VIEW)) {
        return refuse(op, "there is no view to show it in");
    }
    const bool late = has(JSV_OP_VIEW) && op.stage == JSV_STAGE_MOUNTS;
    if (late && op.kind != JSV_OP_REVEAL && op.kind != JSV_OP_VIEW) {
        return refuse(op, "comes after the view, which would not show it");
    }
    return {};
}

Result<void> check_turn(const Plan& plan, const Op& op, Before& before) {
    if (op.stage < before.stage) return refuse(op, "out of order");
    before.stage = op.stage;
    TRY_VOID(check_needs(op, before));
    if (is_single(op.kind) && !before.single.insert(op.kind).second) {
        return refuse(op, "a second one; the jail has but one");
    }
    if (op.kind == JSV_OP_SECCOMP &&
        std::ranges::find(plan.ops, JSV_OP_NO_NEW_PRIVS, &Op::kind) == plan.ops.end()) {
        return refuse(op, "a filter needs jail.identity.no_new_privileges = true");
    }
    return check_namespaces(op, before.namespaces);
}

}  // namespace

Result<void> check_op(const Op& op) {
    const KindInfo* info = find_kind(op.kind);
    if (info == nullptr) {
        return fail(fmt::format("unknown kind of operation {}", static_cast<unsigned>(op.kind)));
    }
    TRY_VOID(check_fields(op, *info));
    return check_values(op);
}

Result<void> check_plan(const Plan& plan) {
    if (plan.unit.empty() || plan.unit.size() > kMaxUnitName) return fail("no unit's name");
    if (plan.ops.size() > kMaxOps) return fail(fmt::format("more than {} operations", kMaxOps));
    Before before{.namespaces = plan.namespace_flags()};
    for (const Op& op : plan.ops) {
        auto checked = check_op(op);
        if (checked && op.plugin.empty()) return refuse(op, "no plugin owns it");
        if (checked) checked = check_turn(plan, op, before);
        if (!checked) return fail_in(op.plugin, std::move(checked).error());
    }
    TRY_VOID(check_credentials(plan.ops));
    return check_relations(plan.ops);
}

void order_operations(std::vector<Op>& ops) {
    std::ranges::stable_sort(ops, {}, rank);
}

}  // namespace jailsvc::jailer
