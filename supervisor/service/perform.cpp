// Actions: their part in the record at once, their part outside as an effect; phase two executes
// the effects in order, after the observer has been told.

#include <algorithm>
#include <cassert>
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

constexpr std::pair<Action, Purpose> kListOf[] = {
    {Action::kLaunchPre, Purpose::kStartPre},         {Action::kLaunchPost, Purpose::kStartPost},
    {Action::kLaunchReload, Purpose::kReload},        {Action::kLaunchStop, Purpose::kStop},
    {Action::kLaunchStopPost, Purpose::kStopPost},    {Action::kLaunchListen, Purpose::kListen},
    {Action::kLookAtConditions, Purpose::kCondition},
};
constexpr std::pair<Action, TimerKind> kTimerOf[] = {
    {Action::kArmStart, TimerKind::kStartTimeout},
    {Action::kArmStop, TimerKind::kStopTimeout},
    {Action::kArmBackoff, TimerKind::kBackoff},
    {Action::kArmStable, TimerKind::kStable},
    {Action::kArmWatchdog, TimerKind::kWatchdog},
    {Action::kDisarmStart, TimerKind::kStartTimeout},
    {Action::kDisarmStop, TimerKind::kStopTimeout},
    {Action::kDisarmBackoff, TimerKind::kBackoff},
    {Action::kDisarmStable, TimerKind::kStable},
    {Action::kDisarmWatchdog, TimerKind::kWatchdog},
};

/// What a table says of an action that is in it.
template <typename Rows>
auto of(const Rows& rows, Action action) {
    const auto row = std::ranges::find(rows, action, [](const auto& each) { return each.first; });
    assert(row != std::end(rows));
    return row->second;
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
    switch (action) {
        case Action::kAdopt:
            return adopt(entry);
        case Action::kNewMain:
            return new_main(entry);
        case Action::kRenewMain:
            return renew_main(entry);
        case Action::kLaunchMain:
            return launch_main(entry);
        case Action::kLaunchPre:
        case Action::kLaunchPost:
        case Action::kLaunchReload:
        case Action::kLaunchStop:
        case Action::kLaunchStopPost:
        case Action::kLaunchListen:
        case Action::kLookAtConditions:
            return launch_command(entry, of(kListOf, action), 0);
        case Action::kDropCommand:
            tokens.erase(entry.record().control_token);
            entry.record().control_token = 0;
            return;
        case Action::kCloseSockets:
            return close_sockets(entry);
        case Action::kAwait:
            return effects.push_back({.kind = Effect::Kind::kAwait, .entry = &entry});
        case Action::kLaunchNext:
            return launch_next(entry);
        case Action::kTerminate:
            return terminate(entry, entry.unit().service.kill_signal);
        case Action::kAbort:
            return abort(entry);
        case Action::kFindDaemon:
            return find_daemon(entry);
        case Action::kBeginChecks:
            return begin_checks(entry);
        case Action::kEndChecks:
            return end_checks(entry);
        case Action::kKillAll:
            return kill_all(entry);
        case Action::kKillCommand:
            return signal(entry, entry.record().control_token, SIGKILL, Whom::kProcess);
        case Action::kTeardown:
            return tear_down(entry);
        case Action::kListens:
        case Action::kReady:
        case Action::kSucceeded:
        case Action::kSkip:
        case Action::kBlame:
        case Action::kCountRestart:
        case Action::kForgive:
            return note(entry, action, happening);
        case Action::kReloaded:
            return settle_reloads(entry, JobOutcome::kDone, happening.text);
        case Action::kReloadFailed:
            return settle_reloads(entry, JobOutcome::kFailed, happening.text);
        case Action::kArmStart:
        case Action::kArmStop:
        case Action::kArmBackoff:
        case Action::kArmStable:
        case Action::kArmWatchdog:
            return arm_for(entry, of(kTimerOf, action));
        case Action::kDisarmStart:
        case Action::kDisarmStop:
        case Action::kDisarmBackoff:
        case Action::kDisarmStable:
        case Action::kDisarmWatchdog:
            return disarm(entry, of(kTimerOf, action));
    }
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

void Manager::Impl::arm_for(Entry& entry, TimerKind timer) {
    Vitals& record = entry.record();
    const config::ServiceTable& service = entry.unit().service;
    switch (timer) {
        case TimerKind::kStartTimeout:
            record.extended_until_ns = 0;
            return arm(entry, timer, service.timeout_start);
        case TimerKind::kStopTimeout:
            record.extended_until_ns = 0;
            record.phase_since_ns = timers.now_ns();
            return arm(entry, timer, service.timeout_stop);
        case TimerKind::kBackoff: {
            const auto delay = backoff_delay(service, record.backoff_level);
            record.backoff_until_ns =
                timers.now_ns() + static_cast<std::uint64_t>(std::max(delay.count(), 0L));
            return arm(entry, timer, delay);
        }
        case TimerKind::kStable:
            if (record.backoff_level == 0) return;  // nothing to forgive: no wake-up
            return arm(entry, timer, service.restart_reset_after);
        case TimerKind::kWatchdog:
            return arm_watchdog(entry);
        case TimerKind::kHealth:
            return arm_check(entry);
    }
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

void Manager::Impl::terminate(Entry& entry, int signo) {
    const Vitals& record = entry.record();
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

void Manager::Impl::tear_down(Entry& entry) {
    Vitals& record = entry.record();
    const bool restarts = record.after == State::kBackoff;
    if (restarts) record.kept = 1;
    effects.push_back({.kind = Effect::Kind::kTeardown,
                       .entry = &entry,
                       .token = record.main_token,
                       .restarts = restarts});
}

/// What was kept for a restart that will not be, however it came that the unit rests; and sockets
/// of one that was to come up again, and cannot.
void Manager::Impl::release_kept() {
    for (Entry* entry : touched) {
        Vitals& record = entry->record();
        if (at_rest(*entry) && record.sockets != 0) close_sockets(*entry);
        if (record.kept == 0 || !at_rest(*entry)) continue;
        record.kept = 0;
        effects.push_back(
            {.kind = Effect::Kind::kRelease, .entry = entry, .token = record.main_token});
    }
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

void Manager::Impl::arm(Entry& entry, TimerKind timer, config::Duration after) {
    if (after == config::kForever) return disarm(entry, timer);
    effects.push_back(
        {.kind = Effect::Kind::kArm, .entry = &entry, .timer = timer, .after = after});
}

void Manager::Impl::disarm(Entry& entry, TimerKind timer) {
    effects.push_back({.kind = Effect::Kind::kDisarm, .entry = &entry, .timer = timer});
}

void Manager::Impl::execute() {
    release_kept();
    for (Entry* entry : touched) {
        entry->touched = false;
        observer.changed(record_of(*entry), std::exchange(entry->told, entry->record().state));
    }
    touched.clear();
    for (const Effect& effect : effects) {
        const std::string& unit = effect.entry->name();
        switch (effect.kind) {
            case Effect::Kind::kLaunch:
                launcher.launch(effect.launch);
                break;
            case Effect::Kind::kSignal:
                launcher.signal(unit, effect.token, effect.signo, effect.whom);
                break;
            case Effect::Kind::kTeardown:
                launcher.teardown(unit, effect.token, effect.restarts);
                break;
            case Effect::Kind::kRelease:
                launcher.release(unit, effect.token);
                break;
            case Effect::Kind::kAwait:
                launcher.await_connection(unit);
                break;
            case Effect::Kind::kCloseSockets:
                launcher.close_sockets(unit);
                break;
            case Effect::Kind::kFindDaemon:
                launcher.find_daemon(unit, effect.token);
                break;
            case Effect::Kind::kArm:
                timers.arm(unit, effect.timer, effect.after);
                break;
            case Effect::Kind::kDisarm:
                timers.disarm(unit, effect.timer);
                break;
        }
    }
    effects.clear();
    for (const auto& change : std::exchange(health_changes, {})) {
        observer.health_changed(change.entry->name(), change.before, change.now, change.reason);
    }
    for (const auto& [entry, text] : std::exchange(notes, {})) observer.noted(entry->name(), text);
    for (const auto& [entry, code] : std::exchange(essential_ends, {})) {
        observer.essential_ended(entry->name(), code);
    }
    for (const auto& [job, result] : settled) observer.settled(job, result);
    settled.clear();
}

}  // namespace jailsvc::service
