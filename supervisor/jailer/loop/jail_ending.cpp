// How a jail ends: every process first, then what its making did on the host.

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include "base/sys.hpp"
#include "jailer/loop/jails.hpp"
#include "jailer/loop/jails_work.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kSlowDeath = 10;  ///< [s] after which a teardown that still waits is mentioned
/// Sweeps over the sessions of a jail without pid namespace: a process that forks faster than it
/// can be killed is only contained by a pid namespace.
constexpr int kMaxRounds = 32;

}  // namespace

void Jails::end(Jail& jail, Ended done, bool restarts) {
    const std::string unit = jail.unit;
    if (const auto known = ending_.find(unit); known != ending_.end()) {
        known->second->waiters.push_back(std::move(done));
        return;
    }
    jail.state = Jail::State::kEnding;
    auto ending = std::make_unique<Ending>(core_.loop);
    ending->waiters.push_back(std::move(done));
    ending->slow.start(kSlowDeath, [unit] {
        spdlog::warn("{}: its processes take long to die; uninterruptible input or output?", unit);
    });
    ending_.emplace(unit, std::move(ending));
    cancel_making(jail);
    if (ending_hook_) ending_hook_(unit);
    if (restarts) ending_.at(unit)->mounts = hold_mounts(jail);
    kill_everything(jail);
    check_ended(unit);
}

/// The mount namespace, so that the end of the jail's init does not free it. Not where memory is
/// limited: what fills the old jail's /tmp counts for the new one until it is freed. If the pid is
/// another's by now, no harm is done.
Fd Jails::hold_mounts(const Jail& jail) {
    if (!jail.has_stub() || !jail.loaded) return {};
    bool limited = false;
    jail.loaded->plan.for_each(JSV_OP_CGROUP, [&](std::uint32_t /*index*/, const Op& op) {
        limited = limited || op.text[0].starts_with("memory.");
    });
    if (limited) return {};
    auto mounts = sys::open(fmt::format("/proc/{}/ns/mnt", jail.stub_pid), O_RDONLY);
    return mounts ? std::move(*mounts) : Fd();
}

void Jails::forget_group(const std::string& unit) {
    if (Jail* jail = find(unit); jail != nullptr) {
        jail->forgotten = true;
    } else {
        release_text(unit);
        (void)core_.groups.remove(unit);
    }
}

/// As the unit's only one.
void Jails::keep_text(const std::string& unit, ipc::Token token) {
    const auto [kept, is_new] = kept_texts_.try_emplace(unit, token);
    if (is_new || kept->second == token) return;
    forget_text(unit, std::exchange(kept->second, token));
}

/// The jail's text has just been stored: that of the unit's jail before is not needed any more. An
/// interrupted start that is made again has the token it had, and so the same key.
void Jails::replace_text(const Jail& jail) {
    const auto kept = kept_texts_.extract(jail.unit);
    if (!kept) return;
    if (kept.mapped() != jail.token) return forget_text(jail.unit, kept.mapped());
    const bool begun = jail.main_token != 0;
    tell::unstore(core_.keeper, ipc::Kept::kUnit, jail.token, jail.unit,
                  begun ? 0 : ipc::kMainBegun);
}

void Jails::release_text(const std::string& unit) {
    const auto kept = kept_texts_.extract(unit);
    if (kept) forget_text(unit, kept.mapped());
}

void Jails::forget_text(const std::string& unit, ipc::Token token) {
    tell::unstore(core_.keeper, ipc::Kept::kUnit, token, unit);
    tell::unstore(core_.keeper, ipc::Kept::kUnit, token, unit, ipc::kMainBegun);
}

void Jails::kill_everything(Jail& jail) {
    // The end of a pid namespace's init ends every process in it, and its own end is seen only
    // when they are all gone (pid_namespaces(7); zap_pid_ns_processes in the kernel).
    if (jail.has_stub()) (void)sys::pidfd_signal(jail.stub_pidfd.get(), SIGKILL);
    for (const auto& [token, member] : jail.members) {
        (void)sys::pidfd_signal(member->pidfd.get(), SIGKILL);
    }
    if (!jail.pid_namespace) core_.groups.kill(jail.unit);
    // Version 1 lets nobody die who is frozen, and the next start may be in the same group.
    if (is_frozen(jail)) freeze(jail, false);
}

void Jails::check_ended(std::string unit) {
    Jail& jail = *find(unit);
    Ending& ending = *ending_.at(unit);
    if (jail.has_stub() || !jail.members.empty() || ending.undoing) return;
    if (kill_stragglers(jail, ending)) undo(jail);
}

/// The group tells it all; without one, what can be told from sessions and environments.
std::vector<Found> Jails::left_of(const Jail& jail) {
    if (auto members = group_members(jail)) return std::move(*members);
    if (jail.sessions.empty()) return {};
    return find_unconfined(jail.sessions, jail.mark());
}

/// True when none is left of a jail that had no pid namespace to end.
bool Jails::kill_stragglers(Jail& jail, Ending& ending) {
    if (ending.stragglers_left > 0) return false;
    ending.stragglers.clear();
    if (jail.pid_namespace) return true;
    auto found = left_of(jail);
    if (found.empty()) return true;
    core_.groups.kill(jail.unit);
    if (++ending.rounds > kMaxRounds) {
        spdlog::error("{}: {} processes outlive every kill; give it a pid namespace", jail.unit,
                      found.size());
        return true;
    }
    ending.stragglers_left = found.size();
    for (Found& process : found) {
        (void)sys::pidfd_signal(process.pidfd.get(), SIGKILL);
        auto& straggler = ending.stragglers.emplace_back(
            std::make_unique<Ending::Straggler>(core_.loop, std::move(process.pidfd)));
        auto* watch = &straggler->ended;
        watch->start(straggler->pidfd.get(), EV_READ, [this, watch, unit = jail.unit] {
            watch->stop();
            if (--ending_.at(unit)->stragglers_left == 0) check_ended(unit);
        });
    }
    return false;
}

void Jails::undo(Jail& jail) {
    ending_.at(jail.unit)->undoing = true;
    if (jail.loaded) {
        undo_parent_operations(jail.loaded->plan, core_.trash.directory());
        return disconnect(jail.unit);
    }
    if (jail.text->empty()) return disconnect(jail.unit);
    // Made by an earlier jailer: what it did is known from the plan of the unit it had kept.
    core_.units.get_from_text(jail.unit, *jail.text, [this, unit = jail.unit](const auto& loaded) {
        if (loaded) {
            undo_parent_operations((*loaded)->plan, core_.trash.directory());
            find(unit)->loaded = *loaded;
        } else {
            spdlog::error("{}: its directories stay: {}", unit, loaded.error().message);
        }
        disconnect(unit);
    });
}

/// To look for trash takes a dozen system calls, and most plans make none.
void Jails::collect_trash(const Jail& jail) {
    if (jail.loaded && jail.loaded->plan.find(JSV_OP_HOST_DIRECTORY) == nullptr) return;
    core_.trash.collect();
}

void Jails::ended(const std::string& unit) {
    const auto known = jails_.find(unit);
    const std::unique_ptr<Jail> jail = std::move(known->second);
    jails_.erase(known);
    const auto ending = ending_.extract(unit);
    if (jail->kept_main != 0) {
        tell::unstore(core_.keeper, ipc::Kept::kMainProcess, jail->kept_main, unit);
    }
    collect_trash(*jail);
    if (jail->forgotten) {
        (void)core_.groups.remove(unit);
    } else if (jail->loaded) {
        core_.units.remember(jail->loaded);
    }
    core_.old_mounts.free_later(std::move(ending.mapped()->mounts));
    core_.plugins.teardown(unit);
    if (jail->told) keep_text(unit, jail->token);
    if (jail->forgotten) release_text(unit);
    for (const auto& done : ending.mapped()->waiters) done();
}

}  // namespace jailsvc::jailer
