#include <fmt/format.h>
#include <linux/sched.h>
#include <unistd.h>

#include "base/sys.hpp"
#include "jailer/jail/attest_mounts.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/ground.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/jail/namespaces.hpp"
#include "jailer/jail/process_facts.hpp"
#include "jailer/net/attest_network.hpp"

namespace jailsvc::jailer {
namespace {

using Verdict = std::optional<JailFailure>;

Verdict attest_namespace(std::uint32_t index, const Op& op, pid_t stub) {
    for (const NamespaceType& type : namespace_types()) {
        if (type.flag != op.number[0]) continue;
        const auto ours = own_namespace_id(index, type);
        if (!ours) return ours.error();
        const auto theirs = namespace_id(index, stub, type.name);
        if (!theirs) return theirs.error();
        if (*ours != *theirs) return std::nullopt;
        return not_held(index, fmt::format("{}: the jail is in the host's, {}", type.name, *ours));
    }
    return not_held(index, fmt::format("no namespace has the number {:#x}", op.number[0]));
}

Verdict attest_id_map(std::uint32_t index, const Op& op, const ResolvedIds& ids, pid_t stub) {
    const auto maps = host_maps(op, ids);
    for (const auto& [name, wanted] :
         {std::pair{"uid_map", &maps[0]}, std::pair{"gid_map", &maps[1]}}) {
        const auto text = sys::read_file(fmt::format("/proc/{}/{}", stub, name));
        if (!text) return failed(index, name, text.error().code);
        if (normal_map(*text) == normal_map(*wanted)) continue;
        return not_held(index, fmt::format("{} is \"{}\", not \"{}\"", name, normal_map(*text),
                                           normal_map(*wanted)));
    }
    return std::nullopt;
}

Verdict attest_op(std::uint32_t index, const Op& op, const ResolvedIds& ids, pid_t stub,
                  std::uint64_t network) {
    const bool network_op = op.kind == JSV_OP_NETWORK || op.kind == JSV_OP_NETWORK_JOIN;
    if (network_op) return attest_network(index, op, stub, network);
    if (op.kind == JSV_OP_NAMESPACE) return attest_namespace(index, op, stub);
    if (op.kind == JSV_OP_ID_MAP) return attest_id_map(index, op, ids, stub);
    return std::nullopt;
}

}  // namespace

Jailed<std::vector<JailFailure>> attest_jail(const SpawnContext& context,
                                             const CompiledPlan& compiled, const ResolvedIds& ids,
                                             pid_t stub, std::uint64_t network) {
    const auto whole = compiled.whole();
    const Plan& plan = *whole;
    std::vector<JailFailure> weakened;
    for (std::uint32_t index = 0; index < plan.ops.size(); ++index) {
        auto verdict = attest_op(index, plan.ops[index], ids, stub, network);
        if (!verdict) continue;
        if (!plan.ops[index].optional) return std::unexpected(std::move(*verdict));
        weakened.push_back(std::move(*verdict));
    }
    if ((plan.namespace_flags() & CLONE_NEWNS) == 0) return weakened;
    const auto view = JailView::open(stub);
    if (!view) return std::unexpected(view.error());
    if (auto verdict = attest_mounts(plan, *view, ids, weakened)) {
        return std::unexpected(std::move(*verdict));
    }
    if (!stands_on_ground(context, compiled)) return weakened;
    if (auto verdict = attest_nothing_hidden(*view)) {
        return std::unexpected(std::move(*verdict));
    }
    return weakened;
}

Jailed<void> attest_init(pid_t stub) {
    const auto facts = read_process_facts(kStepLockStub, stub);
    if (!facts) return std::unexpected(facts.error());
    if (facts->permitted != 0 || facts->effective != 0 || facts->ambient != 0) {
        return std::unexpected(
            not_held(kStepLockStub, fmt::format("CapPrm is {:x}, not 0", facts->permitted)));
    }
    if (facts->no_new_privs) return {};
    return std::unexpected(not_held(kStepLockStub, "NoNewPrivs is 0, not 1"));
}

}  // namespace jailsvc::jailer
