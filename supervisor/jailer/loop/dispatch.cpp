#include "jailer/loop/dispatch.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>

#include "base/clock.hpp"
#include "base/sys.hpp"
#include "jailer/loop/deliver.hpp"
#include "jailer/loop/discard_job.hpp"
#include "jailer/loop/left_behind.hpp"
#include "jailer/loop/main_process.hpp"
#include "jailer/loop/notify_sockets.hpp"
#include "jailer/loop/remember_asked.hpp"
#include "jailer/loop/tell.hpp"
#include "jailer/plan/account_view.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kGateInterval = 0.01;  ///< [s]
constexpr int kGateLooks = 100;
constexpr std::size_t kMaxNames = 64U << 10;  ///< of a unit's stored descriptors [bytes]

/// "descriptor 3: tcp:80", as `plan` prints what the main process is given.
std::vector<std::string> sockets_in(const Rarely<config::SocketTable>& table) {
    std::vector<std::string> lines;
    for (const std::string& address : table->listen) {
        lines.push_back(fmt::format("descriptor {}: {}", 3 + lines.size(), address));
    }
    return lines;
}

}  // namespace

Dispatch::Dispatch(struct ev_loop* loop, const Places& places, PluginHost plugins,
                   SpawnContext spawn, Uids uids, IdRanges ranges, PrivateNetworks networks,
                   Fd keeper)
    : core_{.loop = loop,
            .places = places,
            .plugins = std::move(plugins),
            .spawn = std::move(spawn),
            .uids = std::move(uids),
            .ranges = std::move(ranges),
            .accounts = AccountLists(accounts_root(places)),
            .units = UnitCache(loop, core_.plugins, config::sources_of(places)),
            .logs = {},
            .fd_stores = {},
            .lent = {},
            .trash = TrashCollector(loop, trash_directory(places)),
            .old_mounts = OldMounts(loop),
            .networks = NamespacePool(loop, NamespacePool::Loopback::kUp),
            .bare_networks = NamespacePool(loop, NamespacePool::Loopback::kDown),
            .groups = cgroup::Tree::open(),
            .private_networks = std::move(networks),
            .network_jobs = NetworkJobs(loop),
            .keeper = Link(loop, "keeper",
                           {.packet = [this](ipc::Packet& packet) { from_keeper(packet); },
                            .gone = [loop] { ev_break(loop, EVBREAK_ALL); }}),
            .engine = Link(loop, "engine",
                           {.packet = [this](ipc::Packet& packet) { from_engine(packet); },
                            // The keeper brings a new one; its end comes as a new kPeer.
                            .gone = [] { spdlog::debug("the engine is gone"); }})},
      limits_(core_),
      jails_(core_, limits_),
      listeners_(core_),
      starts_(core_, jails_, listeners_),
      properties_(core_, jails_),
      gates_(loop) {
    core_.keeper.attach(std::move(keeper));
}

void Dispatch::end() {
    core_.groups.end();
    remove_left_behind(core_.places, parent_);
}

void Dispatch::begin() {
    core_.trash.collect();
    core_.keeper.resume();
    tell::hello(core_.keeper);
}

void Dispatch::from_keeper(ipc::Packet& packet) {
    if (const auto* peer = packet.as<ipc::Peer>()) return new_peer(*peer, Fd(packet.take_fd(0)));
    if (const auto* kept = packet.as<ipc::Stored>()) return stored(*kept, Fd(packet.take_fd(0)));
    if (const auto* alive = packet.as<ipc::Alive>()) {
        if (!snapshot_in_) jails_.adopt_process(*alive, Fd(packet.take_fd(0)));
        return;
    }
    if (const auto* exited = packet.as<ipc::Exited>()) {
        starts_.remember(exited->token, std::string(ipc::get_text(exited->unit)), exited->pid, 0);
        return;
    }
    if (packet.as<ipc::SnapshotEnd>() != nullptr) return snapshot_ended();
    spdlog::warn("keeper: a packet of type {} is none of ours", static_cast<int>(packet.type()));
}

void Dispatch::new_peer(const ipc::Peer& peer, Fd socket) {
    if (peer.peer != ipc::Role::kEngine || !socket) return;
    core_.engine.attach(std::move(socket));
    std::vector<config::Table> tables = core_.plugins.tables();
    std::ranges::copy(core_.plugins.absent(), std::back_inserter(tables));
    tell::schema(core_.engine, config::to_json(tables));
    tell::groups(core_.engine, core_.groups);
    // Not before the snapshot is in: what it tells must not be started a second time.
    if (!complete_) return;
    listeners_.tell_all();
    core_.engine.resume();
}

void Dispatch::stored(const ipc::Stored& stored, Fd fd) {
    const std::string unit(ipc::get_text(stored.unit));
    if (!fd) return;
    if (stored.kind == ipc::Kept::kFdStore) {
        return core_.fd_stores.add(unit, stored.index, std::move(fd));
    }
    if (stored.kind == ipc::Kept::kFdNames) {
        const auto names = sys::read_memfd(fd.get(), kMaxNames);
        return core_.fd_stores.name(unit, names ? *names : std::string());
    }
    if (snapshot_in_) return;  // the echo of something we stored ourselves
    if (stored.kind == ipc::Kept::kLogPipe) {
        if (stored.index >= ipc::kLogStreams) return;
        const auto stream = static_cast<ipc::LogStream>(stored.index);
        if (auto done = core_.logs.adopt(unit, fd.get(), stream); !done) {
            return spdlog::error("{}: its output pipe: {}", unit, done.error().message);
        }
        // A pipe that had no writer left but the former jailer has ended for the logger: by storing
        // it again the logger gets it again.
        tell::store(core_.keeper, ipc::Kept::kLogPipe, 0, unit, fd.get(), stored.index);
    } else if (stored.kind == ipc::Kept::kLogSettings) {
        if (auto done = core_.logs.adopt_settings(unit, fd.get()); !done) {
            return spdlog::error("{}: {}", unit, done.error().message);
        }
    } else if (stored.kind == ipc::Kept::kListener) {
        listeners_.adopt(unit, stored.index, std::move(fd));
    } else if (stored.kind == ipc::Kept::kMainProcess) {
        jails_.adopt_main(unit, stored.token, std::move(fd));
    } else if (stored.kind == ipc::Kept::kUnit) {
        auto text = sys::read_memfd(fd.get());
        if (!text) return spdlog::error("{}: its kept unit: {}", unit, text.error().message);
        jails_.adopt_text(unit, stored.token, stored.index == ipc::kMainBegun, std::move(*text));
    }
}

void Dispatch::snapshot_ended() {
    if (snapshot_in_) return;
    snapshot_in_ = true;
    jails_.sweep();
    limits_.listen();
    // Those at a gate too: the keeper knows their tokens, which are never registered twice.
    std::vector<std::string> units;
    jails_.for_each_member([&](const std::string& unit, Member& member) {
        starts_.remember(member.token, unit, member.pid, 0);
        units.push_back(unit);
    });
    listeners_.settle(units);
    await_gates(kGateLooks);
}

/// What stood at the gate of a dead jailer ends by itself, unless it was just let through: the
/// engine's questions wait until that is known. No event tells of another's exec.
void Dispatch::await_gates(int looks) {
    bool undecided = false;
    jails_.for_each_member([&](const std::string& unit, Member& member) {
        if (!member.executed && is_exiting(member.pid)) return;
        if (!member.executed && runs_our_program(member.pid)) {
            undecided = true;
            if (looks == 0) (void)sys::pidfd_signal(member.pidfd.get(), SIGKILL);
            return;
        }
        member.executed = true;
        member.exec_ns = boottime_ns();
        starts_.remember(member.token, unit, member.pid, member.exec_ns);
    });
    if (undecided && looks > 0) {
        return gates_.start(kGateInterval, [this, looks] { await_gates(looks - 1); });
    }
    complete_ = true;
    listeners_.tell_all();
    if (core_.engine.attached()) core_.engine.resume();
}

void Dispatch::from_engine(ipc::Packet& packet) {
    if (const auto* start = packet.as<ipc::Start>()) return starts_.start(*start);
    if (const auto* signal = packet.as<ipc::Signal>()) {
        if (signal->signo != SIGCONT && starts_.stop_early(signal->token)) return;
        return deliver(jails_, *signal);
    }
    if (const auto* down = packet.as<ipc::Teardown>()) return teardown(*down);
    if (const auto* gone = packet.as<ipc::Forget>()) return forget(*gone);
    if (const auto* asked = packet.as<ipc::PlanRequest>()) return plan(*asked);
    if (const auto* asked = packet.as<ipc::StatsRequest>()) return stats(*asked);
    if (const auto* exec = packet.as<ipc::Exec>()) {
        return starts_.exec(*exec, Fd(packet.take_fd(0)));
    }
    if (const auto* sought = packet.as<ipc::FindMain>()) return find_main(core_, jails_, *sought);
    if (const auto* change = packet.as<ipc::SetProperty>()) {
        return properties_.set(*change, Fd(packet.take_fd(0)));
    }
    if (const auto* await = packet.as<ipc::AwaitConnection>()) {
        return listeners_.await_connection(std::string(ipc::get_text(await->unit)));
    }
    if (const auto* close = packet.as<ipc::CloseSockets>()) {
        return listeners_.close(std::string(ipc::get_text(close->unit)));
    }
    if (const auto* lent = packet.as<ipc::Lend>()) {
        return core_.lent.lend(std::string(ipc::get_text(lent->unit)), Fd(packet.take_fd(0)));
    }
    if (const auto* over = packet.as<ipc::Discard>()) {
        return discard_job(core_.units.sources(), core_.plugins.schema(),
                           std::string(ipc::get_text(over->unit)));
    }
    if (const auto* asked = packet.as<ipc::Remember>()) {
        return remember_asked(core_.places, core_.units.sources(), *asked);
    }
    if (packet.as<ipc::ReloadUnits>() != nullptr) {
        core_.accounts.invalidate();
        return core_.units.invalidate();
    }
    spdlog::warn("engine: a packet of type {} is none of ours", static_cast<int>(packet.type()));
}

void Dispatch::teardown(const ipc::Teardown& request) {
    const std::string unit(ipc::get_text(request.unit));
    starts_.cancel(unit);
    Jail* jail = jails_.find(unit);
    const auto answer = [this, token = request.token, restarts = request.restarts != 0, unit] {
        if (!restarts) jails_.release_text(unit);
        tell::torn_down(core_.engine, token, unit);
    };
    if (jail == nullptr) return answer();
    jails_.end(*jail, answer, request.restarts != 0);
}

void Dispatch::forget(const ipc::Forget& request) {
    const std::string unit(ipc::get_text(request.unit));
    core_.units.forget(unit);
    core_.logs.forget(unit);
    core_.lent.forget(unit);
    core_.accounts.forget(unit);
    listeners_.close(unit);
    forget_notify_socket(core_, unit);
    core_.fd_stores.forget(unit);
    jails_.forget_group(unit);
    for (std::uint16_t stream = 0; stream < ipc::kLogStreams; ++stream) {
        tell::unstore(core_.keeper, ipc::Kept::kLogPipe, 0, unit, stream);
    }
    tell::unstore(core_.keeper, ipc::Kept::kLogSettings, 0, unit);
}

void Dispatch::plan(const ipc::PlanRequest& request) {
    const std::string unit(ipc::get_text(request.unit));
    if (!config::is_unit_name(unit)) {
        return tell::plan_reply(core_.engine, request.serial, false, "not a unit's name");
    }
    core_.units.get_current(unit, [this, serial = request.serial](const Result<LoadedPtr>& loaded) {
        const std::string text =
            loaded ? to_json((*loaded)->plan.plan(), sockets_in((*loaded)->unit.socket))
                   : loaded.error().message;
        tell::plan_reply(core_.engine, serial, loaded.has_value(), text);
    });
}

void Dispatch::stats(const ipc::StatsRequest& request) {
    const Jail* jail = jails_.find(std::string(ipc::get_text(request.unit)));
    const Stats seen = jail != nullptr ? measure(jails_, *jail) : Stats{};
    tell::stats_reply(core_.engine, request.serial, seen.pss_kib, seen.processes);
}

}  // namespace jailsvc::jailer
