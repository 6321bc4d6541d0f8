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

/// How long a jail's init may take over its mounts [s]; a hung file system is the usual reason.
constexpr double kInitLimit = 30;

/// So many jails in the making are hurried. Of a thousand the processor is busy anyhow, and plans
/// kept as a whole and programs that wait outside would take many MiB.
constexpr std::size_t kFewAtOnce = 8;

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

StartFailure init_failure(const Jail& jail, const Report& report) {
    if (report.kind == Report::Kind::kFailed) {
        return to_failure(jail.loaded->plan.plan(), report.failure);
    }
    return StartFailure{0, "core", "init",
                        fmt::format("{}: the jail's init ended before it was ready", jail.unit)};
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

void Jails::spawn_init(Jail& jail, Making& making) {
    const ipc::Token token = new_stub_token(jail);
    const auto door = core_.groups.open_door(jail.unit);
    if (!door) return made(jail, std::unexpected(to_failure("cgroup", door.error())));
    const auto network = network_for(jail, making);
    if (!network) {
        return made(jail, std::unexpected(to_failure(jail.loaded->plan.plan(), network.error())));
    }
    tell::intent(core_.keeper, token);
    auto init = spawn_stub(core_.spawn, jail.loaded->plan, jail.ids, network->get(), door->entry(),
                           making.credentials.get(), making.work.trees);
    making.credentials = Fd();
    making.work.trees.clear();
    if (!init) {
        tell::abandon(core_.keeper, token);
        return made(jail, std::unexpected(to_failure(jail.loaded->plan.plan(), init.error())));
    }
    tell::registered(core_.keeper, token, init->pid, ipc::Purpose::kStub, jail.unit,
                     init->pidfd.get());
    jail.stub_pid = init->pid;
    auto watched = sys::duplicate(init->pidfd.get());
    making.init = std::move(*init);
    making.fresh = true;
    if (!watched) {
        (void)sys::pidfd_signal(making.init.pidfd.get(), SIGKILL);
        jail.stub_pid = -1;
        return made(jail, std::unexpected(to_failure("init", watched.error())));
    }
    jail.stub_pidfd = std::move(*watched);
    jail.pid_namespace = in_other_pid_namespace(jail.stub_pid);
    watch_stub(jail);
    making.gate.start(making.init.gate.get(), EV_READ,
                      [this, unit = jail.unit] { init_reported(unit); });
    making.limit.start(kInitLimit, [this, unit = jail.unit] {
        made(*find(unit), std::unexpected(StartFailure{
                              ETIMEDOUT, "core", "init",
                              fmt::format("{}: the jail's mounts took over {} s; does a file "
                                          "system hang?",
                                          unit, kInitLimit)}));
    });
    if (making_.size() <= kFewAtOnce) let_spawn(jail.unit);
}

void Jails::init_reported(const std::string& unit) {
    const std::weak_ptr<Making> weak = making_.at(unit);
    while (const auto making = weak.lock()) {
        Jail& jail = *find(unit);
        const auto report = read_report(jail.loaded->plan, making->init);
        if (!report) return;
        switch (report->kind) {
            case Report::Kind::kWeakened:
                ++jail.weakened;
                spdlog::warn("{}", describe(jail.loaded->plan.plan(), report->failure));
                continue;
            case Report::Kind::kBuilt:
                built(unit);
                continue;
            case Report::Kind::kReady:
                return init_runs(jail, *making);
            case Report::Kind::kFailed:
            case Report::Kind::kEnd:
            case Report::Kind::kMain:
                return made(jail, std::unexpected(init_failure(jail, *report)));
        }
    }
}

void Jails::ask_init(const std::string& unit) {
    const auto making = making_.find(unit);
    if (making != making_.end() && making->second->init.gate) init_reported(unit);
}

/// Calls every waiter but those that come by it. Any of them may give the jail up.
void Jails::tell_waiters(const std::string& unit, std::function<void()> Waiter::* what) {
    const auto making = making_.at(unit);
    const std::size_t count = making->waiters.size();  // later ones are told as they come
    for (std::size_t i = 0; i < count && is_current(unit, making); ++i) {
        const auto call = making->waiters[i].*what;
        call();
    }
}

/// Where there are few, while the jail's init makes its mounts; then they wait outside.
void Jails::let_spawn(const std::string& unit) {
    making_.at(unit)->spawned = true;
    tell_waiters(unit, &Waiter::spawn);
}

void Jails::let_in(const std::string& unit) {
    making_.at(unit)->entered = true;
    tell_waiters(unit, &Waiter::enter);
}

/// What can be told from outside, but for the init's program.
Attempt Jails::look_at(Jail& jail) {
    const auto seen = attest_jail(jail.loaded->plan, jail.ids, jail.stub_pid, jail.network);
    if (!seen) return std::unexpected(to_failure(jail.loaded->plan.plan(), seen.error()));
    jail.weakened = std::max(jail.weakened, static_cast<std::uint32_t>(seen->size()));
    if (auto inside = core_.groups.attest_place(jail.unit, jail.stub_pid); !inside) {
        return std::unexpected(to_failure(*jail.loaded->plan.whole(), inside.error()));
    }
    const auto network = attest_network_of(jail);
    if (!network) return std::unexpected(to_failure("network", network.error()));
    return {};
}

/// The jail is looked at while programs go to their gates, and its init is executed.
void Jails::built(const std::string& unit) {
    const auto making = making_.at(unit);
    if (making->entered) return;
    if (!making->spawned) let_spawn(unit);
    if (is_current(unit, making)) let_in(unit);
    if (!is_current(unit, making)) return;  // given up
    Jail& jail = *find(unit);
    const Attempt held = look_at(jail);
    if (!held) {
        // One that has ended since cannot be looked at; why it has, it may have told.
        const auto more = read_report(jail.loaded->plan, making->init);
        const bool told = more && more->kind == Report::Kind::kFailed;
        return made(jail, told ? Attempt(std::unexpected(init_failure(jail, *more))) : held);
    }
    if (auto given = give_proxy_on_loopback(core_, *jail.loaded, jail.stub_pidfd.get()); !given) {
        return made(jail, std::unexpected(to_failure("egress", given.error())));
    }
    making->attested = true;
}

void Jails::init_runs(Jail& jail, const Making& making) {
    if (!making.attested) {
        return made(jail, std::unexpected(StartFailure{EPROTO, "core", "init",
                                                       jail.unit + ": its init said too little"}));
    }
    const auto harmless = attest_init(jail.stub_pid);
    if (harmless) return made(jail, {});
    made(jail, std::unexpected(to_failure(jail.loaded->plan.plan(), harmless.error())));
}

void Jails::made(Jail& jail, const Attempt& result) {
    const std::string unit = jail.unit;
    const auto known = making_.find(unit);
    if (known == making_.end()) return;
    const auto making = known->second;
    if (result && !making->spawned) let_spawn(unit);
    if (result && is_current(unit, making) && !making->entered) let_in(unit);
    if (!is_current(unit, making)) return;  // given up by one that was told
    making_.erase(unit);
    making->gate.stop();
    making->limit.stop();
    making->init = Parked();
    const auto answer = [waiters = std::move(making->waiters), result] {
        for (const auto& waiter : waiters) waiter.done(result);
    };
    if (result) {
        jail.state = Jail::State::kStanding;
        fill_networks(jail);
        return answer();
    }
    jail.state = Jail::State::kNew;
    // A jail with a service in it stays: what failed was to enter it again.
    if (!making->fresh && !jail.members.empty()) return answer();
    end(jail, answer);
}

bool Jails::stop_making(Jail& jail) {
    const auto making = making_.find(jail.unit);
    if (making == making_.end() || making->second->fresh || jail.has_stub()) return false;
    made(jail, std::unexpected(StartFailure{ECANCELED, "core", "jail",
                                            jail.unit + ": stopped before its jail stood"}));
    return true;
}

void Jails::cancel_making(Jail& jail) {
    auto node = making_.extract(jail.unit);
    if (node.empty()) return;
    const Attempt failure = std::unexpected(StartFailure{
        ECANCELED, "core", "jail", fmt::format("{}: torn down before its jail stood", jail.unit)});
    for (const auto& waiter : node.mapped()->waiters) waiter.done(failure);
}

}  // namespace jailsvc::jailer
