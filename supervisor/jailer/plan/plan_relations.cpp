#include "jailer/plan/plan_relations.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <vector>

#include "jailer/plan/credential_limits.hpp"

namespace jailsvc::jailer {
namespace {

/// The namespace without which a sysctl is the host's; 0 for one that no namespace has for itself.
/// Sources: ipc_namespaces(7), network_namespaces(7), uts_namespaces(7).
std::uint64_t namespace_of_sysctl(std::string_view name) {
    std::string path(name);
    std::ranges::replace(path, '.', '/');
    if (path.starts_with("net/")) return CLONE_NEWNET;
    if (path == "kernel/hostname" || path == "kernel/domainname") return CLONE_NEWUTS;
    for (const std::string_view ipc : {"kernel/msg", "kernel/sem", "kernel/shm", "fs/mqueue/"}) {
        if (path.starts_with(ipc)) return CLONE_NEWIPC;
    }
    return 0;
}

struct Needed {
    std::uint64_t flags;
    std::string_view key;
};

/// Namespaces the jail must have of its own, or the operation would act on the host.
Result<std::vector<Needed>> needed_namespaces(const Op& op) {
    if (op.kind == JSV_OP_HOSTNAME) return std::vector<Needed>{{CLONE_NEWUTS, "uts"}};
    if (op.kind == JSV_OP_ID_MAP) return std::vector<Needed>{{CLONE_NEWUSER, "user"}};
    if (op.stage != JSV_STAGE_MOUNTS) return std::vector<Needed>{};
    if (op.kind == JSV_OP_SYSFS) {
        return std::vector<Needed>{{CLONE_NEWNS, "mount"}, {CLONE_NEWNET, "net"}};
    }
    if (op.kind != JSV_OP_SYSCTL) return std::vector<Needed>{{CLONE_NEWNS, "mount"}};
    switch (namespace_of_sysctl(op.text[0])) {
        case CLONE_NEWNET:
            return std::vector<Needed>{{CLONE_NEWNS, "mount"}, {CLONE_NEWNET, "net"}};
        case CLONE_NEWUTS:
            return std::vector<Needed>{{CLONE_NEWNS, "mount"}, {CLONE_NEWUTS, "uts"}};
        case CLONE_NEWIPC:
            return std::vector<Needed>{{CLONE_NEWNS, "mount"}, {CLONE_NEWIPC, "ipc"}};
        default:
            return fail(
                fmt::format("sysctl: {} belongs to no namespace: setting it would change "
                            "the host; leave it out",
                            op.text[0]));
    }
}

/// Edges and forwards are of a private network; one network is all a jail has.
Result<void> check_network(std::span<const Op> ops) {
    const auto find = [&](jsv_kind kind) { return std::ranges::find(ops, kind, &Op::kind); };
    const auto network = find(JSV_OP_NETWORK);
    if (const auto join = find(JSV_OP_NETWORK_JOIN); join != ops.end() && network != ops.end()) {
        return refuse(*join, "the jail has a network of its own too; it can have but one");
    }
    const bool is_private = network != ops.end() && network->number[0] == JSV_NET_PRIVATE;
    for (const jsv_kind kind : {JSV_OP_NET_EDGE, JSV_OP_NET_FORWARD}) {
        if (const auto op = find(kind); op != ops.end() && !is_private) {
            return refuse(*op, "needs a private network");
        }
    }
    return {};
}

/// The proxy is reached by a loopback that is up and nobody else's, on one port.
Result<void> check_egress(std::span<const Op> ops) {
    const auto first = std::ranges::find(ops, JSV_OP_EGRESS, &Op::kind);
    if (first == ops.end()) return {};
    const auto network = std::ranges::find(ops, JSV_OP_NETWORK, &Op::kind);
    if (network == ops.end() || network->number[0] == JSV_NET_NONE) {
        return refuse(*first, "needs a loopback of its own");
    }
    for (const Op& op : ops) {
        if (op.kind == JSV_OP_EGRESS && op.number[0] != first->number[0]) {
            return refuse(op, "has another port than the one before");
        }
    }
    return {};
}

/// The gate that the second filter comes over stays open until main: nothing else may be executed
/// with it.
Result<void> check_main_stage(std::span<const Op> ops) {
    const auto main = std::ranges::find(ops, JSV_OP_SECCOMP_MAIN, &Op::kind);
    if (main == ops.end()) return {};
    const bool once = std::ranges::any_of(ops, [](const Op& op) {
        return op.kind == JSV_OP_SECCOMP && (op.flags & JSV_SECCOMP_EXEC_ONCE) != 0;
    });
    if (!once) return refuse(*main, "a second stage needs a first that executes once");
    return {};
}

/// Only of what the jailer makes does it know whose it is.
Result<void> check_mapped(std::span<const Op> ops) {
    for (const Op& op : ops) {
        if (op.kind != JSV_OP_BIND || (op.flags & JSV_MOUNT_IDMAP) == 0) continue;
        const bool made = std::ranges::any_of(ops, [&op](const Op& other) {
            return other.kind == JSV_OP_HOST_DIRECTORY && other.text[0] == op.text[0];
        });
        if (!made) return refuse(op, "ids are mapped of directories that the plan makes only");
    }
    return {};
}

}  // namespace

std::unexpected<Error> refuse(const Op& op, std::string_view why) {
    return fail(fmt::format("{}: {}", find_kind(op.kind)->name, why));
}

Result<void> check_namespaces(const Op& op, std::uint64_t present) {
    if (op.kind == JSV_OP_SYSFS && (present & CLONE_NEWUSER) != 0) {
        return refuse(op, "a user namespace may not mount it (sysfs_init_fs_context, the kernel)");
    }
    TRY(const std::vector<Needed> needed, needed_namespaces(op));
    for (const Needed& need : needed) {
        if ((present & need.flags) != 0) continue;
        return refuse(op, fmt::format("would change the host: the jail has no {} namespace; set "
                                      "jail.namespaces.{} = true",
                                      need.key, need.key));
    }
    return {};
}

Result<void> check_relations(std::span<const Op> ops) {
    TRY_VOID(check_main_stage(ops));
    TRY_VOID(check_mapped(ops));
    TRY_VOID(check_egress(ops));
    return check_network(ops);
}

}  // namespace jailsvc::jailer
