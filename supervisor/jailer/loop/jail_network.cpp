// The network namespace that a jail is born into: one made ahead, another unit's, or a new one.

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/namespaces.hpp"
#include "jailer/loop/jails.hpp"
#include "jailer/loop/jails_work.hpp"
#include "jailer/net/net_namespace.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kRemovals = 2;  ///< times that a unit's network is tried to be taken away

const Op* network_op(const CompiledPlan& plan) {
    const Op* own = plan.find(JSV_OP_NETWORK);
    return own != nullptr ? own : plan.find(JSV_OP_NETWORK_JOIN);
}

bool is_private(const Op* op) {
    return op != nullptr && op->kind == JSV_OP_NETWORK && op->number[0] == JSV_NET_PRIVATE;
}

/// Whether a network namespace made ahead serves: one that belongs to a user namespace of the
/// jail's own can only be made with that. Between jails it must not belong to the jail.
bool takes_ready_network(const CompiledPlan& plan) {
    const Op* op = plan.find(JSV_OP_NETWORK);
    return op != nullptr && (is_private(op) || (plan.namespaces() & CLONE_NEWUSER) == 0);
}

std::uint64_t inode_of(const Fd& file) {
    struct stat info{};
    return file && ::fstat(file.get(), &info) == 0 ? info.st_ino : 0;
}

std::uint32_t index_of(const CompiledPlan& plan, jsv_kind kind) {
    for (const ChildOp& op : plan.child_ops()) {
        if (op.kind == kind) return op.index;
    }
    return kStepEnter;
}

/// A loopback that was up keeps its address when it is taken down: whoever connects to 127.0.0.1
/// waits for an answer, where a new namespace says that nothing is reachable.
NamespacePool& pool_for(Core& core, const Op& op) {
    return op.number[0] == JSV_NET_NONE ? core.bare_networks : core.networks;
}

Result<Fd> own_network() {
    return sys::open("/proc/self/ns/net", O_RDONLY);
}

/// By the unit's leave, which attest_jail asks for.
bool has_hosts_network(const Jail& jail) {
    const auto theirs = namespace_id(kStepEnter, jail.stub_pid, "net");
    const auto ours = namespace_id(kStepEnter, ::getpid(), "net");
    return theirs && ours && *theirs == *ours;
}

/// For a private network where none is ready. The caller's own stays what it is.
Result<Fd> make_network() {
    TRY(const Fd own, own_network());
    const IntoNetwork back(own.get());  // returns at the end
    if (back.code() != 0) return fail_errno("setns", back.code());
    if (::unshare(CLONE_NEWNET) == -1) return fail_errno("unshare");
    TRY_VOID(set_loopback(true));
    return own_network();
}

}  // namespace

/// A private network is made by a process of its own, before the jail's init; then that is.
void Jails::connect(Jail& jail, Making& making) {
    if (!is_private(network_op(jail.loaded->plan))) return spawn_init(jail, making);
    auto ready = core_.networks.take();
    auto network = ready ? Result<Fd>(std::move(ready)) : make_network();
    if (!network) return connected(jail.unit, std::unexpected(std::move(network).error()));
    const auto demand = NetDemand::of(jail.loaded->plan.plan());
    if (auto numbered = core_.private_networks.number(jail.unit, *demand); !numbered) {
        return connected(jail.unit, std::unexpected(std::move(numbered).error()));
    }
    making.network = std::make_shared<const Fd>(std::move(*network));
    const std::weak_ptr<Making> weak = making_.at(jail.unit);
    auto body = [this, unit = jail.unit, demand = *demand,
                 into = making.network]() -> Result<std::string> {
        TRY_VOID(core_.private_networks.make(unit, demand, into->get()));
        return core_.private_networks.state();
    };
    auto done = [this, weak, unit = jail.unit](Result<std::string> result) {
        note_network(result);
        const auto self = weak.lock();
        const auto current = making_.find(unit);
        if (!self || current == making_.end() || current->second != self) return;  // given up
        connected(unit, result);
    };
    core_.network_jobs.add(std::move(body), std::move(done), {making.network->get()});
}

void Jails::connected(const std::string& unit, const Result<std::string>& result) {
    Jail& jail = *find(unit);
    Making& making = *making_.at(unit);
    if (!result) making.network.reset();
    if (result || network_op(jail.loaded->plan)->optional) {
        if (!result) making.refusal = result.error();
        return spawn_init(jail, making);
    }
    const CompiledPlan& plan = jail.loaded->plan;
    made(jail, std::unexpected(to_failure(
                   plan.plan(), JailFailure{index_of(plan, JSV_OP_NETWORK), result.error().code,
                                            result.error().message})));
}

/// Of a jail that stands: what others may have changed since.
void Jails::check_rules(Jail& jail) {
    const Op* op = network_op(jail.loaded->plan);
    if (!is_private(op) || has_hosts_network(jail)) return made(jail, look_at(jail));
    const auto demand = NetDemand::of(jail.loaded->plan.plan());
    if (auto numbered = core_.private_networks.number(jail.unit, *demand); !numbered) {
        return made(jail, std::unexpected(to_failure("network", numbered.error())));
    }
    const std::weak_ptr<Making> weak = making_.at(jail.unit);
    auto body = [this, unit = jail.unit, demand = *demand]() -> Result<std::string> {
        TRY_VOID(core_.private_networks.attest_rules(unit, demand));
        return core_.private_networks.state();
    };
    core_.network_jobs.add(std::move(body), [this, weak, unit = jail.unit](auto result) {
        note_network(result);
        const auto self = weak.lock();
        const auto current = making_.find(unit);
        if (!self || current == making_.end() || current->second != self) return;  // given up
        Jail& home = *find(unit);
        if (result) return made(home, look_at(home));
        auto error = fail_in(unit + ": network: private", std::move(result).error());
        made(home, std::unexpected(to_failure("network", error.error())));
    });
}

/// What the unit's network has on the host goes before its end is told.
void Jails::disconnect(const std::string& unit) {
    if (!core_.private_networks.has(unit)) return ended(unit);
    remove_network(unit, kRemovals);
}

/// A process that died over it has left something: another one tries again. One that took too long
/// is not waited for twice.
void Jails::remove_network(const std::string& unit, int attempts) {
    const auto remove = [this, unit]() -> Result<std::string> {
        core_.private_networks.remove(unit);
        return core_.private_networks.state();
    };
    core_.network_jobs.add(remove, [this, unit, attempts](Result<std::string> result) {
        note_network(result);
        const bool again = !result && result.error().code != ETIMEDOUT && attempts > 1;
        if (again) return remove_network(unit, attempts - 1);
        if (!result) {
            network_left_ = true;
            spdlog::error("{}: its network stays for now: {}", unit, result.error().message);
        }
        ended(unit);
    });
}

/// Of a change that was made, or not. The first that is shows that there is somebody again to take
/// away what others have left.
void Jails::note_network(const Result<std::string>& result) {
    core_.private_networks.remember(result);
    if (result && std::exchange(network_left_, false)) sweep_networks();
}

void Jails::sweep_networks() {
    if (!core_.private_networks.any()) return;
    const auto sweep = [this]() -> Result<std::string> {
        core_.private_networks.sweep([this](const auto& unit) { return find(unit) != nullptr; });
        return core_.private_networks.state();
    };
    core_.network_jobs.add(sweep, [this](Result<std::string> result) {
        core_.private_networks.remember(result);
        if (result) return;
        network_left_ = true;
        spdlog::error("networks that are nobody's stay for now: {}", result.error().message);
    });
}

/// Empty where the clone is to make one, or none is asked for.
Jailed<Fd> Jails::network_for(Jail& jail, Making& making) {
    const CompiledPlan& plan = jail.loaded->plan;
    const Op* op = network_op(plan);
    if (op == nullptr) return Fd();
    Jailed<Fd> network;
    if (op->kind == JSV_OP_NETWORK_JOIN) {
        network = joined_network(*op);
    } else if (is_private(op)) {
        network = private_network(plan, making);
    } else if (takes_ready_network(plan)) {
        network = pool_for(core_, *op).take();
    }
    if (!network && op->optional) {
        spdlog::warn("{}; it has the host's network", describe(plan.plan(), network.error()));
        auto own = own_network();
        if (own) network = std::move(*own);
    }
    if (!network || op->optional) {
        jail.network = 0;
        return network;
    }
    jail.network = inode_of(*network);
    // Without its number it could not be read back that the jail is in it.
    if (*network && jail.network == 0) {
        return std::unexpected(failed(index_of(plan, op->kind), "its namespace", errno));
    }
    return network;
}

/// As connect has left it.
Jailed<Fd> Jails::private_network(const CompiledPlan& plan, Making& making) {
    const std::shared_ptr<const Fd> connected = std::move(making.network);
    if (connected) {
        auto network = sys::duplicate(connected->get());
        if (network) return std::move(*network);
        making.refusal = network.error();
    }
    return std::unexpected(JailFailure{index_of(plan, JSV_OP_NETWORK), making.refusal.code,
                                       std::move(making.refusal.message)});
}

Jailed<Fd> Jails::joined_network(const Op& join) {
    const std::string& unit = join.text[0];
    const auto refuse = [&](int code, std::string_view why) {
        return std::unexpected(JailFailure{kStepEnter, code, fmt::format("{} {}", unit, why)});
    };
    const Jail* other = find(unit);
    if (other == nullptr || other->state != Jail::State::kStanding || !other->has_stub()) {
        return refuse(ESRCH, "has no jail to join; let this unit require it and come after it");
    }
    auto network = sys::open(fmt::format("/proc/{}/ns/net", other->stub_pid), O_RDONLY);
    const auto own = own_network();
    if (!network || !own) return refuse((network ? own : network).error().code, "'s network");
    if (inode_of(*network) != inode_of(*own)) return std::move(*network);
    return refuse(EINVAL, "has the host's network, which is no namespace to join; use \"host\"");
}

/// Beyond what attest_jail sees in the namespace: that it is connected as the unit declares.
Result<void> Jails::attest_network_of(const Jail& jail) {
    if (!is_private(jail.loaded->plan.find(JSV_OP_NETWORK)) || has_hosts_network(jail)) return {};
    const auto demand = NetDemand::of(jail.loaded->plan.plan());
    auto held = core_.private_networks.attest_links(jail.unit, *demand, jail.stub_pidfd.get());
    if (!held) return fail_in(jail.unit + ": network: private", std::move(held).error());
    return {};
}

void Jails::fill_networks(const Jail& jail) {
    const CompiledPlan& plan = jail.loaded->plan;
    if (takes_ready_network(plan)) pool_for(core_, *plan.find(JSV_OP_NETWORK)).fill();
}

}  // namespace jailsvc::jailer
