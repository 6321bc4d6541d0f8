// Actions: their part in the record at once, their part outside as an effect, for phase two
// (execute.cpp).

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>
#include <utility>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

/// As wait(2) would have given it.
int wait_status(const Vitals& record) {
    return record.last_by_signal != 0 ? record.last_code : record.last_code << 8;
}

// What each action is: every one is in exactly one of these tables (is_complete).

template <typename Impl>
constexpr std::pair<Action, void (Impl::*)(Entry&)> kDone[] = {
    {Action::kAdopt, &Impl::adopt},
    {Action::kNewMain, &Impl::new_main},
    {Action::kRenewMain, &Impl::renew_main},
    {Action::kLaunchMain, &Impl::launch_main},
    {Action::kLaunchNext, &Impl::launch_next},
    {Action::kDropCommand, &Impl::drop_command},
    {Action::kAwait, &Impl::await_connection},
    {Action::kCloseSockets, &Impl::close_sockets},
    {Action::kTerminate, &Impl::terminate},
    {Action::kAbort, &Impl::abort},
    {Action::kFindDaemon, &Impl::find_daemon},
    {Action::kBeginChecks, &Impl::begin_checks},
    {Action::kEndChecks, &Impl::end_checks},
    {Action::kKillAll, &Impl::kill_all},
    {Action::kKillCommand, &Impl::kill_command},
    {Action::kTeardown, &Impl::tear_down},
};
constexpr std::pair<Action, Purpose> kLaunched[] = {
    {Action::kLaunchPre, Purpose::kStartPre},         {Action::kLaunchPost, Purpose::kStartPost},
    {Action::kLaunchReload, Purpose::kReload},        {Action::kLaunchStop, Purpose::kStop},
    {Action::kLaunchStopPost, Purpose::kStopPost},    {Action::kLaunchListen, Purpose::kListen},
    {Action::kLookAtConditions, Purpose::kCondition},
};
constexpr std::pair<Action, TimerKind> kArmed[] = {
    {Action::kArmStart, TimerKind::kStartTimeout}, {Action::kArmStop, TimerKind::kStopTimeout},
    {Action::kArmBackoff, TimerKind::kBackoff},    {Action::kArmStable, TimerKind::kStable},
    {Action::kArmWatchdog, TimerKind::kWatchdog},
};
constexpr std::pair<Action, TimerKind> kDisarmed[] = {
    {Action::kDisarmStart, TimerKind::kStartTimeout},
    {Action::kDisarmStop, TimerKind::kStopTimeout},
    {Action::kDisarmBackoff, TimerKind::kBackoff},
    {Action::kDisarmStable, TimerKind::kStable},
    {Action::kDisarmWatchdog, TimerKind::kWatchdog},
};
constexpr std::pair<Action, JobOutcome> kReloadEnded[] = {
    {Action::kReloaded, JobOutcome::kDone},
    {Action::kReloadFailed, JobOutcome::kFailed},
};
/// In the record alone.
constexpr Action kNoted[] = {Action::kListens, Action::kReady, Action::kSucceeded,
                             Action::kSkip,    Action::kBlame, Action::kCountRestart,
                             Action::kForgive};

constexpr Action action_of(Action action) {
    return action;
}
template <typename Row>
constexpr Action action_of(const Row& row) {
    return row.first;
}

/// The row of an action, or nullptr.
template <typename Rows>
constexpr auto row_of(const Rows& rows, Action action) {
    const auto* row =
        std::ranges::find(rows, action, [](const auto& each) { return action_of(each); });
    return row == std::end(rows) ? nullptr : row;
}

template <typename... Tables>
consteval bool is_complete(const Tables&... tables) {
    for (int i = 0; i <= static_cast<int>(kLastAction); ++i) {
        const auto has = [i](const auto& rows) {
            return std::ranges::count(rows, static_cast<Action>(i),
                                      [](const auto& each) { return action_of(each); });
        };
        if ((has(tables) + ...) != 1) return false;
    }
    return true;
}

}  // namespace

void set_because(Entry& entry, std::string text) {
    entry.life.because = {};
    if (!text.empty()) entry.life.because = std::move(text);
}

Record record_of(const Entry& entry) {
    Record record{entry.record(), {}, {}};
    entry.name().copy(record.unit, sizeof record.unit - 1);
    constexpr std::string_view kCut = "...";
    const std::string& because = *entry.life.because;
    constexpr std::size_t kRoom = sizeof record.because - 1;
    because.copy(record.because, kRoom);
    if (because.size() > kRoom) kCut.copy(record.because + kRoom - kCut.size(), kCut.size());
    return record;
}

const List<config::Command>& commands_of(const config::Unit& unit, Purpose purpose) {
    static const List<config::Command> kEmpty;
    switch (purpose) {
        case Purpose::kStartPre:
            return unit.service.exec_start_pre;
        case Purpose::kStartPost:
            return unit.service.exec_start_post;
        case Purpose::kReload:
            return unit.service.exec_reload;
        case Purpose::kStop:
            return unit.service.exec_stop;
        case Purpose::kStopPost:
            return unit.service.exec_stop_post;
        case Purpose::kMain:
        case Purpose::kHealth:
        case Purpose::kClient:
        case Purpose::kStub:
        case Purpose::kListen:
        case Purpose::kCondition:
            return kEmpty;
    }
    return kEmpty;
}

void Manager::Impl::perform(Entry& entry, Action action, const Happening& happening) {
    static_assert(is_complete(kDone<Impl>, kLaunched, kArmed, kDisarmed, kReloadEnded, kNoted));
    if (const auto* done = row_of(kDone<Impl>, action)) return (this->*done->second)(entry);
    if (const auto* list = row_of(kLaunched, action)) return launch_command(entry, list->second, 0);
    if (const auto* timer = row_of(kArmed, action)) return arm_for(entry, timer->second);
    if (const auto* timer = row_of(kDisarmed, action)) return disarm(entry, timer->second);
    if (const auto* ended = row_of(kReloadEnded, action)) {
        return settle_reloads(entry, ended->second, happening.text);
    }
    note(entry, action, happening);
}

void Manager::Impl::adopt(Entry& entry) {
    entry.life.started = entry.loaded;
    std::ranges::copy(entry.loaded->digest, entry.record().digest);
    entry.record().succeeded = 0;
    entry.record().skipped = 0;
    entry.record().by_watchdog = 0;
    if (entry.loaded->socket->present()) entry.record().sockets = 1;
    entry.record().kept = 0;  // what this start makes takes its place
    set_because(entry, {});
}

/// Actions that are in the record alone.
void Manager::Impl::note(Entry& entry, Action action, const Happening& happening) {
    Vitals& record = entry.record();
    if (action == Action::kReady || action == Action::kListens) record.ready = 1;
    if (action == Action::kListens) {
        if (record.listening == 0) record.armed_ns = timers.now_ns();
        record.listening = 1;
    }
    if (action == Action::kForgive) record.backoff_level = 0;
    if (action == Action::kSucceeded) {
        record.succeeded = 1;
        set_because(entry, "has done its work");
    }
    if (action == Action::kSkip) {
        record.skipped = 1;
        set_because(entry, happening.text);
    }
    if (action == Action::kBlame) {
        record.outcome = static_cast<std::uint8_t>(happening.outcome);
        set_because(entry, happening.text);
    }
    if (action == Action::kCountRestart) {
        ++record.restarts;
        ++record.backoff_level;
    }
}

void Manager::Impl::settle_reloads(Entry& entry, JobOutcome outcome, const std::string& text) {
    for (const JobId job : entry.life.reloads) settle(job, outcome, text);
    entry.life.reloads = {};
}

void Manager::Impl::renew_main(Entry& entry) {
    Vitals& record = entry.record();
    tokens.erase(record.main_token);
    tokens.erase(record.adopted_token);
    record.adopted_token = 0;
    record.told_ready = record.told_stopping = 0;
    record.watchdog_us = 0;
    record.main_token = next_token++;
    record.main_pid = 0;
    record.main_started_ns = 0;
    tokens.add(record.main_token, entry);
}

void Manager::Impl::new_main(Entry& entry) {
    Vitals& record = entry.record();
    renew_main(entry);
    record.backoff_until_ns = 0;
    const StartWindow window = counted({record.interval_began_ns, record.recent_starts},
                                       entry.loaded->unit, timers.now_ns());
    record.interval_began_ns = window.began_ns;
    record.recent_starts = window.starts;
}

void Manager::Impl::launch_main(Entry& entry) {
    Vitals& record = entry.record();
    record.main_alive = 1;
    effects.push_back(
        {.kind = Effect::Kind::kLaunch,
         .entry = &entry,
         .launch = {.token = record.main_token, .unit = entry.name(), .purpose = Purpose::kMain}});
}

void Manager::Impl::launch_command(Entry& entry, Purpose purpose, std::uint16_t index) {
    Vitals& record = entry.record();
    record.control_token = next_token++;
    record.control_purpose = purpose;
    record.control_index = index;
    tokens.add(record.control_token, entry);
    request_command(entry);
}

void Manager::Impl::launch_next(Entry& entry) {
    const Vitals& record = entry.record();
    launch_command(entry, record.control_purpose,
                   static_cast<std::uint16_t>(record.control_index + 1));
}

/// Asks for the command that the record names.
void Manager::Impl::request_command(Entry& entry) {
    const Vitals& record = entry.record();
    const Purpose purpose = record.control_purpose;
    effects.push_back(
        {.kind = Effect::Kind::kLaunch,
         .entry = &entry,
         .launch = {
             .token = record.control_token,
             .main_token = record.main_token,
             .unit = entry.name(),
             .purpose = purpose,
             .command = record.control_index,
             .main_status = purpose == Purpose::kStopPost ? wait_status(record) : 0,
             .main_out_of_memory = purpose == Purpose::kStopPost && record.last_out_of_memory != 0,
             .main_watchdog = purpose == Purpose::kStopPost && record.by_watchdog != 0}});
}

/// Its main process by a signal that may leave a core dump behind; commands have no part in it.
void Manager::Impl::abort(Entry& entry) {
    Vitals& record = entry.record();
    record.by_watchdog = 1;
    touch(entry);
    if (record.main_alive != 0) {
        const int signo = entry.unit().readiness->watchdog_signal;
        signal(entry, main_process(record), signo, Whom::kProcess);
        if (signo != SIGKILL) signal(entry, main_process(record), SIGCONT, Whom::kProcess);
    }
    signal(entry, record.control_token, SIGKILL, Whom::kProcess);
}

void Manager::Impl::find_daemon(Entry& entry) {
    effects.push_back(
        {.kind = Effect::Kind::kFindDaemon, .entry = &entry, .token = entry.record().main_token});
}

void Manager::Impl::terminate(Entry& entry) {
    const Vitals& record = entry.record();
    const int signo = entry.unit().service.kill_signal;
    const Token main = record.main_alive != 0 ? main_process(record) : 0;
    for (const Token token : {main, record.control_token}) {
        if (token == 0) continue;
        signal(entry, token, signo, Whom::kProcess);
        // A stopped process acts on a signal only once it goes on (signal(7)).
        if (signo != SIGKILL) signal(entry, token, SIGCONT, Whom::kProcess);
    }
}

void Manager::Impl::kill_all(Entry& entry) {
    const Vitals& record = entry.record();
    const bool alone = entry.unit().service.kill_mode == config::KillMode::kProcess;
    signal(entry, main_process(record), SIGKILL, alone ? Whom::kProcess : Whom::kAll);
    signal(entry, record.control_token, SIGKILL, Whom::kProcess);
}

void Manager::Impl::kill_command(Entry& entry) {
    signal(entry, entry.record().control_token, SIGKILL, Whom::kProcess);
}

void Manager::Impl::drop_command(Entry& entry) {
    tokens.erase(entry.record().control_token);
    entry.record().control_token = 0;
}

void Manager::Impl::await_connection(Entry& entry) {
    effects.push_back({.kind = Effect::Kind::kAwait, .entry = &entry});
}

void Manager::Impl::tear_down(Entry& entry) {
    Vitals& record = entry.record();
    const bool restarts = record.after == State::kBackoff;
    if (restarts) record.kept = 1;
    effects.push_back({.kind = Effect::Kind::kTeardown,
                       .entry = &entry,
                       .token = record.main_token,
                       .restarts = restarts});
}

void Manager::Impl::close_sockets(Entry& entry) {
    entry.record().sockets = 0;
    effects.push_back({.kind = Effect::Kind::kCloseSockets, .entry = &entry});
}

void Manager::Impl::signal(Entry& entry, Token token, int signo, Whom whom) {
    if (token == 0) return;
    effects.push_back({.kind = Effect::Kind::kSignal,
                       .entry = &entry,
                       .token = token,
                       .signo = signo,
                       .whom = whom});
}

}  // namespace jailsvc::service
