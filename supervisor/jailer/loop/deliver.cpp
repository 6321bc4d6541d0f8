#include "jailer/loop/deliver.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <set>

#include "base/sys.hpp"
#include "ipc/freezing.hpp"

namespace jailsvc::jailer {
namespace {

/// Looks again for processes forked while the last ones were signalled.
constexpr int kMaxRounds = 8;

/// SIGKILL spares the jail's init too, so that exec_stop_post finds the jail as the service left
/// it; but a jail that forks faster than it can be chased is ended by its init's end.
void signal_all(Jails& jails, Jail& jail, int signo) {
    std::set<pid_t> signalled;
    for (int round = 0; round < kMaxRounds; ++round) {
        bool news = false;
        for (const Found& process : processes_of(jails, jail)) {
            if (!signalled.insert(process.pid).second) continue;
            news = true;
            (void)sys::pidfd_signal(process.pidfd.get(), signo);
        }
        if (!news) return;
    }
    if (signo != SIGKILL || !jail.has_stub() || !jail.pid_namespace) return;
    jail.doomed = true;
    (void)sys::pidfd_signal(jail.stub_pidfd.get(), SIGKILL);
}

/// What a client or a check ran may have left children behind; it leads a session of its own.
void signal_session(const Member& leader, int signo) {
    const Session session{leader.pid, start_time_of(leader.pid)};
    for (const Found& process : find_session_members({&session, 1})) {
        (void)sys::pidfd_signal(process.pidfd.get(), signo);
    }
}

}  // namespace

std::vector<Found> processes_of(Jails& jails, const Jail& jail) {
    if (auto members = jails.group_members(jail)) return std::move(*members);
    std::vector<pid_t> roots;
    for (const auto& [token, member] : jail.members) roots.push_back(member->pid);
    const bool reaps = jail.has_stub() && jail.pid_namespace;
    auto found = find_descendants(roots, reaps ? jail.stub_pid : 0);
    if (jail.pid_namespace || jail.sessions.empty()) return found;
    std::set<pid_t> seen;
    for (const Found& process : found) seen.insert(process.pid);
    for (Found& process : find_unconfined(jail.sessions, jail.mark())) {
        if (seen.insert(process.pid).second) found.push_back(std::move(process));
    }
    return found;
}

void deliver(Jails& jails, const ipc::Signal& request) {
    const std::string unit(ipc::get_text(request.unit));
    Jail* jail = jails.find(unit);
    // Without a word in the log: what is no unit's name may be escapes for a terminal.
    if (jail == nullptr) return;
    const bool freezes = request.signo == ipc::kFreeze || request.signo == ipc::kThaw;
    if (freezes && request.whom == ipc::Whom::kAll) {
        return jails.freeze(*jail, request.signo == ipc::kFreeze);
    }
    if (request.signo < 1 || request.signo > SIGRTMAX) {
        return spdlog::error("{}: signal {} does not exist", unit, request.signo);
    }
    // Who is frozen takes no signal: a stop would wait for its time limit.
    if (jails.is_frozen(*jail)) jails.freeze(*jail, false);
    if (request.whom == ipc::Whom::kAll) return signal_all(jails, *jail, request.signo);
    const auto member = jail->members.find(request.token);
    if (member == jail->members.end()) return;
    if (member->second->purpose == ipc::Purpose::kClient ||
        member->second->purpose == ipc::Purpose::kHealth) {
        return signal_session(*member->second, request.signo);
    }
    auto sent = sys::pidfd_signal(member->second->pidfd.get(), request.signo);
    if (!sent && sent.error().code != ESRCH) spdlog::error("{}: {}", unit, sent.error().message);
}

Stats measure(Jails& jails, const Jail& jail) {
    Stats stats;
    for (const Found& process : processes_of(jails, jail)) {
        ++stats.processes;
        stats.pss_kib += pss_kib_of(process.pid);
    }
    return stats;
}

}  // namespace jailsvc::jailer
