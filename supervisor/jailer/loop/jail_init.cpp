// A jail's init, from its clone to the jail that stands: what it reports, and what is seen of it.

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/sys.hpp"
#include "jailer/loop/egress.hpp"
#include "jailer/loop/jails.hpp"
#include "jailer/loop/jails_work.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

/// How long a jail's init may take over its mounts [s]; a hung file system is the usual reason.
constexpr double kInitLimit = 30;

StartFailure init_failure(const Jail& jail, const Report& report) {
    if (report.kind == Report::Kind::kFailed) {
        return to_failure(jail.loaded->plan.plan(), report.failure);
    }
    return StartFailure{0, "core", "init",
                        fmt::format("{}: the jail's init ended before it was ready", jail.unit)};
}

}  // namespace

void Jails::spawn_init(Jail& jail, Making& making) {
    const ipc::Token token = new_stub_token(jail);
    const auto door = core_.groups.open_door(jail.unit);
    if (!door) return made(jail, std::unexpected(to_failure("cgroup", door.error())));
    const CompiledPlan& plan = jail.loaded->plan;
    const auto network = network_for(jail, making);
    if (!network) return made(jail, std::unexpected(to_failure(plan.plan(), network.error())));
    tell::intent(core_.keeper, token);
    auto init = spawn_stub(core_.spawn, plan, jail.ids, network->get(), door->entry(),
                           making.credentials.get(), making.work.trees);
    making.credentials = Fd();
    making.work.trees.clear();
    if (!init) {
        tell::abandon(core_.keeper, token);
        return made(jail, std::unexpected(to_failure(plan.plan(), init.error())));
    }
    tell::registered(core_.keeper, token, init->pid, ipc::Purpose::kStub, jail.unit,
                     init->pidfd.get());
    jail.stub_pid = init->pid;
    making.init = std::move(*init);
    making.fresh = true;
    watch_init(jail, making);
}

void Jails::watch_init(Jail& jail, Making& making) {
    auto watched = sys::duplicate(making.init.pidfd.get());
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
    const auto seen =
        attest_jail(core_.spawn, jail.loaded->plan, jail.ids, jail.stub_pid, jail.network);
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
