// What the world reports: translated into events of the state machine.

#include <cstring>
#include <utility>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {

std::string tell(const ExitInfo& info) {
    if (!info.known) return "has ended, and nobody saw how";
    if (!info.by_signal) return "exit code " + std::to_string(info.code);
    const char* name = ::sigabbrev_np(info.code);
    if (name == nullptr) return "ended by signal " + std::to_string(info.code);
    const char* why =
        info.out_of_memory ? ": out of memory; raise memory_max if it needs more" : "";
    return std::string("ended by SIG") + name + why;
}

std::string tell(config::Duration duration) {
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    if (milliseconds % 1000 != 0) return std::to_string(milliseconds) + " ms";
    return std::to_string(milliseconds / 1000) + " s";
}

std::string tell(const LaunchFailure& failure) {
    if (!failure.text.empty()) return failure.text;
    std::string text = failure.plugin + ": " + failure.operation;
    const char* what = failure.code != 0 ? ::strerrordesc_np(failure.code) : nullptr;
    return what != nullptr ? text + ": " + what : text;
}

namespace {

/// "exec_start_pre", or "exec_start_pre 2" where there are several.
std::string tell_command(const Entry& entry) {
    const Vitals& record = entry.record();
    std::string text(key_of(record.control_purpose));
    if (commands_of(entry.unit(), record.control_purpose).size() > 1) {
        text.append(" ").append(std::to_string(record.control_index + 1));
    }
    return text;
}

/// How the last program that was executed ended.
void note_end(Vitals& record, const ExitInfo& info) {
    record.has_exited = 1;
    record.last_by_signal = info.by_signal ? 1 : 0;
    record.last_out_of_memory = info.out_of_memory ? 1 : 0;
    record.last_code = info.code;
    record.last_unknown = info.known ? 0 : 1;
}

/// Of a service that had to say that it is ready, or to be healthy, and has ended well instead.
bool ended_unready(const Entry& entry, const ExitInfo& info) {
    const Vitals& record = entry.record();
    if (record.state == State::kStarting && record.phase == Phase::kAwaitHealth) return true;
    const config::ServiceType type = entry.unit().service.type;
    const bool tells =
        type == config::ServiceType::kNotify || type == config::ServiceType::kNotifyFd;
    return tells && info.executed && record.state == State::kStarting && record.told_ready == 0 &&
           (record.phase == Phase::kMain || record.phase == Phase::kAwaitReady);
}

/// What a launch failure, heard after the exit of the same child, can say better.
bool waits_for_better_reason(const Entry& entry) {
    const Vitals& record = entry.record();
    const bool fell = record.state == State::kFailed || record.state == State::kBackoff ||
                      (record.state == State::kStopping && record.after != State::kInactive);
    return fell && record.main_started_ns == 0 &&
           static_cast<JobOutcome>(record.outcome) == JobOutcome::kFailed;
}

}  // namespace

bool Manager::Impl::on_started(Token token, int pid, std::uint64_t exec_ns) {
    Entry* const found = tokens.find(token);
    if (found == nullptr) return false;
    Entry& entry = *found;
    if (check_started(entry, token)) return true;
    Vitals& record = entry.record();
    if (token == record.main_token) {
        // An exit may be heard before the start of the same process; a repeated answer says
        // nothing.
        if (record.main_alive == 0 || record.main_pid != 0) return true;
        record.main_pid = pid;
        record.main_started_ns = exec_ns;
        touch(entry);
        apply(entry, Event::kStarted, {});
    } else if (record.control_purpose == Purpose::kListen ||
               record.control_purpose == Purpose::kCondition) {
        command_ended(entry, {}, true);  // there is no process whose end would be told
    } else if (record.state == State::kStopping) {
        apply(entry, Event::kStarted, {});
    }
    run();
    return true;
}

bool Manager::Impl::on_launch_failed(Token token, const LaunchFailure& failure) {
    Entry* const found = tokens.find(token);
    if (found == nullptr) return false;
    Entry& entry = *found;
    if (check_not_run(entry, token, failure)) return true;
    Vitals& record = entry.record();
    Happening happening{.ending = Ending::kExitCode, .text = tell(failure)};
    happening.skip = failure.operation == "condition";
    happening.never = failure.operation == "assertion";
    if (token != record.main_token) {
        command_ended(entry, std::move(happening), false);
    } else if (record.main_alive != 0 && record.adopted_token == 0) {
        record.main_alive = 0;
        record.main_pid = 0;
        apply(entry, Event::kLaunchFailed, happening);
    } else if (waits_for_better_reason(entry)) {
        set_because(entry, std::move(happening.text));
        touch(entry);
    }
    run();
    return true;
}

bool Manager::Impl::on_exited(Token token, const ExitInfo& info) {
    Entry* const found = tokens.find(token);
    if (found == nullptr) return false;
    Entry& entry = *found;
    if (check_ended(entry, token, info)) return true;
    const Vitals& record = entry.record();
    if (!info.executed && made_again(entry, token)) {
        run();
        return true;
    }
    // Of one whose place another process has taken, nothing follows.
    if (token == record.main_token && record.adopted_token != 0) return true;
    if (token != main_process(record)) {
        const bool well = !info.by_signal && info.code == 0;
        const Ending ending = info.by_signal ? Ending::kSignal : Ending::kExitCode;
        command_ended(entry, {.ending = ending, .text = tell(info)}, well);
    } else if (record.main_alive != 0) {
        main_exited(entry, info);
    }
    run();
    return true;
}

/// Whether what was not executed is asked for anew, with another token: the keeper knows this one.
bool Manager::Impl::made_again(Entry& entry, Token token) {
    Vitals& record = entry.record();
    if (token == record.main_token) {
        const bool unanswered = record.main_alive != 0 && record.main_started_ns == 0;
        if (record.state != State::kStarting || !unanswered) return false;
        record.main_alive = 0;
        apply(entry, Event::kNotExecuted, {});
        return true;
    }
    // A stop that tells everything to end is content with that.
    if (record.phase == Phase::kTerminate || record.phase == Phase::kKill) return false;
    tokens.erase(token);
    launch_command(entry, record.control_purpose, record.control_index);
    touch(entry);
    return true;
}

void Manager::Impl::main_exited(Entry& entry, const ExitInfo& info) {
    Vitals& record = entry.record();
    record.main_alive = 0;
    record.main_pid = 0;
    if (info.executed) note_end(record, info);
    Happening happening{.ending = ending_of(info, entry.unit().service), .text = tell(info)};
    if (ended_unready(entry, info)) {
        if (happening.ending == Ending::kClean) happening.ending = Ending::kExitCode;
        const bool told = record.phase == Phase::kAwaitHealth;
        happening.text = (told ? "ended before a health check was good: "
                               : "ended before it said that it was ready: ") +
                         happening.text;
    }
    touch(entry);
    const bool stopping = record.state == State::kStopping;
    apply(entry, Event::kMainExited, happening);
    if (!stopping && record.state == State::kStopping) set_because(entry, happening.text);
}

void Manager::Impl::command_ended(Entry& entry, Happening happening, bool well) {
    Vitals& record = entry.record();
    const std::size_t count = commands_of(entry.unit(), record.control_purpose).size();
    happening.last_command = record.control_index + std::size_t{1} >= count;
    const bool unmet = happening.skip || happening.never;
    if (!unmet) happening.text.insert(0, tell_command(entry) + ": ");
    if (well) happening.text.clear();
    if (well) happening.ending = Ending::kClean;
    tokens.erase(record.control_token);
    record.control_token = 0;
    apply(entry, well ? Event::kCommandDone : Event::kCommandFailed, happening);
}

void Manager::Impl::on_torn_down(Entry& entry, Token token) {
    if (token != entry.record().main_token) return;
    apply(entry, Event::kTornDown, {});
    run();
}

/// What goes down, if only to come up again, takes no connection any more.
void Manager::Impl::on_activated(Entry& entry, const std::string& fault) {
    if (entry.record().state != State::kListening || goes_down(entry)) return;
    if (fault.empty()) {
        entry.record().restarts = entry.record().backoff_level = 0;  // somebody asks for it
        apply(entry, Event::kActivated, {});
    } else {
        apply(entry, Event::kSocketsLost, {.text = fault});
    }
    run();
}

void Manager::Impl::on_timer(Entry& entry, TimerKind kind) {
    const config::ServiceTable& service = entry.unit().service;
    switch (kind) {
        case TimerKind::kStartTimeout:
            apply(entry, Event::kStartTimeout,
                  {.ending = Ending::kTimeout,
                   .outcome = JobOutcome::kTimeout,
                   .text = waited_in_vain(entry) + " within " + tell(service.timeout_start) +
                           "; raise timeout_start if it needs longer"});
            break;
        case TimerKind::kStopTimeout:
            apply(entry, Event::kStopTimeout,
                  {.ending = Ending::kTimeout,
                   .outcome = JobOutcome::kTimeout,
                   .text = "did not stop within " + tell(service.timeout_stop) +
                           ", killed; raise timeout_stop if it needs longer"});
            break;
        case TimerKind::kBackoff: {
            const config::UnitTable& unit = entry.loaded->unit;
            apply(entry, Event::kBackoffOver,
                  {.text = "start limit: " + std::to_string(unit.start_limit_burst) +
                           " starts within " + tell(unit.start_limit_interval) + "; last: " +
                           *entry.life.because + "; start it again when that is mended"});
            break;
        }
        case TimerKind::kStable:
            apply(entry, Event::kStable, {});
            break;
        case TimerKind::kHealth:
            check_due(entry);
            break;
        case TimerKind::kWatchdog:
            apply(entry, Event::kWatchdog,
                  {.ending = Ending::kWatchdog, .text = missed_ping(entry)});
            break;
    }
    run();
}

}  // namespace jailsvc::service
