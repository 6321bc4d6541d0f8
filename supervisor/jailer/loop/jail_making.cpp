// How a jail comes to stand: plan, ids, host directories, its init in new namespaces, attestation.

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "base/sys.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/loop/connections.hpp"
#include "jailer/loop/egress.hpp"
#include "jailer/loop/jails.hpp"
#include "jailer/loop/jails_work.hpp"
#include "jailer/loop/notify_sockets.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

/// So many units share one write of the file of uids.
constexpr std::size_t kMostUidsAtOnce = 64;

/// Whose numbers a unit has. Instances that are made for connections have those of the unit that
/// listens: there may be more of them in a day than there are numbers.
std::string account_of(const std::string& unit) {
    return config::is_connection_name(unit) ? listener_of(unit) : unit;
}

/// The ids that own the unit's directories and pipe: its own uid, or an allocated one.
Result<ResolvedIds> resolve_ids(Core& core, const LoadedUnit& loaded) {
    if (::geteuid() != 0) return ResolvedIds{.uid = ::geteuid(), .gid = ::getegid()};
    const std::string unit = account_of(loaded.plan.unit());
    ResolvedIds ids;
    if (has_own_range(loaded.plan)) {
        TRY(ids.keeper, core.uids.allocate(unit));
        TRY(ids.range, core.ranges.first_of(unit));
    }
    const Op* op = loaded.plan.find(JSV_OP_IDS);
    if (op == nullptr) return ids;
    if ((op->flags & JSV_IDS_DYNAMIC) != 0) {
        TRY(ids.uid, core.uids.allocate(unit));
        ids.gid = ids.uid;
        return ids;
    }
    ids.uid = static_cast<uid_t>(op->number[0]);
    ids.gid = static_cast<gid_t>(op->number[1]);
    return ids;
}

bool needs_new_uid(const Uids& uids, const LoadedUnit& loaded) {
    const Op* op = loaded.plan.find(JSV_OP_IDS);
    const bool dynamic = op != nullptr && (op->flags & JSV_IDS_DYNAMIC) != 0;
    const bool wanted = dynamic || has_own_range(loaded.plan);
    return wanted && ::geteuid() == 0 && !uids.has(account_of(loaded.plan.unit()));
}

/// Its name for programs that ask for it. Without one a service runs all the same.
void list_account(Core& core, const LoadedUnit& loaded, const ResolvedIds& ids) {
    const Op* op = loaded.plan.find(JSV_OP_IDS);
    const Op* root = loaded.plan.find(JSV_OP_ROOT);
    const bool dynamic = op != nullptr && (op->flags & JSV_IDS_DYNAMIC) != 0;
    if (!dynamic || root == nullptr || ::geteuid() != 0) return;
    const std::string& tree = root->text[0];
    if (tree != "/" && loaded.prepared) return;  // an image is read when its unit is loaded
    const auto listed = core.accounts.list(loaded.plan.unit(), ids.uid, tree, core.uids);
    if (listed) return;
    spdlog::warn("{}: its user has no name in its jail: {}", loaded.plan.unit(),
                 listed.error().message);
}

}  // namespace

void Jails::make(Jail& jail, Waiter waiter) {
    if (const auto known = making_.find(jail.unit); known != making_.end()) {
        known->second->waiters.push_back(waiter);
        const Making& making = *known->second;
        if (making.spawned) waiter.spawn();
        if (making.entered) waiter.enter();
        return;
    }
    if (jail.state == Jail::State::kStanding) {
        waiter.spawn();
        waiter.enter();
        return waiter.done({});
    }
    if (jail.state == Jail::State::kEnding) {
        return waiter.done(std::unexpected(StartFailure{
            ECANCELED, "core", "jail", fmt::format("{}: its jail is being torn down", jail.unit)}));
    }
    auto making = std::make_shared<Making>(core_.loop);
    making->waiters.push_back(std::move(waiter));
    making_.emplace(jail.unit, making);
    jail.state = Jail::State::kMaking;
    load(jail, making);
}

bool Jails::is_current(const std::string& unit, const std::shared_ptr<Making>& making) const {
    const auto known = making_.find(unit);
    return known != making_.end() && known->second == making;
}

void Jails::load(Jail& jail, const std::shared_ptr<Making>& making) {
    if (jail.loaded) return build(jail, *making);
    const std::weak_ptr<Making> weak = making;
    const auto planned = [this, weak, unit = jail.unit](Result<LoadedPtr> result) {
        const auto self = weak.lock();
        if (!self || !is_current(unit, self)) return;  // given up
        Jail& home = *find(unit);
        if (!result) return made(home, std::unexpected(to_failure("plan", result.error())));
        home.loaded = std::move(*result);
        home.digest = {};
        fill_networks(home);
        loaded(home, self);
    };
    if (!jail.text->empty()) return core_.units.get_from_text(jail.unit, *jail.text, planned);
    core_.units.get(jail.unit, *jail.digest, planned);
}

/// A unit's first uid waits for those of the units that are being planned, up to a number.
void Jails::loaded(Jail& jail, const std::shared_ptr<Making>& making) {
    if (!needs_new_uid(core_.uids, *jail.loaded)) return build(jail, *making);
    unnumbered_.emplace_back(jail.unit, making);
    if (!core_.units.busy() || unnumbered_.size() >= kMostUidsAtOnce) number_and_build();
}

void Jails::number_and_build() {
    const auto waiting = std::exchange(unnumbered_, {});
    std::vector<std::string> units;
    for (const auto& [unit, making] : waiting) units.push_back(account_of(unit));
    // If that fails, each one tries for itself and tells what is wrong.
    if (core_.uids.allocate(units)) {
        for (const std::string& unit : units) {
            spdlog::info("{}: uid {} is its own from now on", unit,
                         core_.uids.allocate(unit).value_or(0));
        }
    }
    for (const auto& [unit, weak] : waiting) {
        const auto making = weak.lock();
        if (!making || !is_current(unit, making)) continue;
        build(*find(unit), *making);
    }
}

void Jails::build(Jail& jail, Making& making) {
    if (making_.size() <= kFewAtOnce) making.plan = jail.loaded->plan.whole();
    if (auto ready = prepare(jail, making); !ready) return made(jail, ready);
    if (!making.work.handovers.empty()) return hand_over_directories(jail, making);
    build_on(jail, making);
}

/// With all host directories in their owners' hands.
void Jails::build_on(Jail& jail, Making& making) {
    if (jail.has_stub()) {
        const auto harmless = attest_init(jail.stub_pid);
        if (harmless) return check_rules(jail);
        return made(jail, std::unexpected(to_failure(jail.loaded->plan.plan(), harmless.error())));
    }
    if (jail.adopted || !jail.loaded->plan.needs_stub()) return made(jail, {});
    if (jail.loaded->plan.find(JSV_OP_CREDENTIALS) != nullptr) {
        return read_credentials(jail, making);
    }
    connect(jail, making);
}

Attempt Jails::prepare(Jail& jail, Making& making) {
    LoadedUnit& loaded = *jail.loaded;
    auto ids = resolve_ids(core_, loaded);
    if (!ids) return std::unexpected(to_failure("ids", ids.error()));
    jail.ids = *ids;
    if (jail.adopted) return {};
    list_account(core_, loaded, jail.ids);
    if (!loaded.prepared) {
        if (auto done = core_.plugins.prepare(jail.unit); !done) {
            return std::unexpected(to_failure("prepare", done.error()));
        }
        loaded.prepared = true;
    }
    const auto text = sys::sealed_memfd("unit", loaded.unit.text.str());
    if (!text) return std::unexpected(to_failure("keep the unit", text.error()));
    // Kept before anything is made, so that a jailer after us can undo it.
    tell::store(core_.keeper, ipc::Kept::kUnit, jail.token, jail.unit, text->get(),
                jail.main_token != 0 ? ipc::kMainBegun : 0);
    jail.told = true;
    replace_text(jail);
    auto limited = core_.groups.make(jail.unit, loaded.plan.digest(), loaded.plan);
    if (!limited) return std::unexpected(to_failure(loaded.plan.plan(), limited.error()));
    note_weakened(jail, *limited);
    limits_.listen();
    auto work = apply_parent_operations(loaded.plan, jail.ids, core_.trash.directory());
    collect_trash(jail);
    if (!work) return std::unexpected(to_failure(loaded.plan.plan(), work.error()));
    if (auto given = give_notify_socket(core_, loaded, *work); !given) {
        return std::unexpected(to_failure("notify socket", given.error()));
    }
    if (auto given = give_way_out(core_, loaded, *work); !given) {
        return std::unexpected(to_failure("egress", given.error()));
    }
    for (const std::string& note : work->notes) spdlog::info("{}: {}", jail.unit, note);
    making.work = std::move(*work);
    return {};
}

/// Limits that the unit can do without and does.
void Jails::note_weakened(Jail& jail, const std::vector<JailFailure>& weakened) {
    jail.weakened_limits = static_cast<std::uint32_t>(weakened.size());
    for (const JailFailure& failure : weakened) {
        spdlog::warn("{}", describe(jail.loaded->plan.plan(), failure));
    }
}

Attempt Jails::adjust(Jail& jail, const LoadedPtr& now, const LoadedPtr& next) {
    const auto& [unit, digest] = std::tie(jail.unit, next->plan.digest());
    const auto text = sys::sealed_memfd("unit", next->unit.text.str());
    if (!text) return std::unexpected(to_failure("keep the unit", text.error()));
    const auto held = core_.groups.adjust(unit, now->plan, next->plan, digest);
    if (!held) return std::unexpected(to_failure(next->plan.plan(), held.error()));
    jail.former.make().push_back(now->plan.digest());
    jail.loaded = next;
    jail.text = {};
    note_weakened(jail, *held);
    // Over the one of its start: a jailer after us finds these limits in force.
    tell::store(core_.keeper, ipc::Kept::kUnit, jail.token, unit, text->get(),
                jail.main_token != 0 ? ipc::kMainBegun : 0);
    limits_.listen();
    return {};
}

Attempt Jails::attest_group(Jail& jail, pid_t pid) {
    const auto held = core_.groups.attest(jail.unit, jail.loaded->plan, pid);
    if (!held) return std::unexpected(to_failure(jail.loaded->plan.plan(), held.error()));
    jail.weakened_limits = static_cast<std::uint32_t>(held->size());
    return {};
}

}  // namespace jailsvc::jailer
