// What services say of themselves: translated into events of the state machine, or only noted.

#include <algorithm>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

/// So long a service may ask for at once; it may ask again.
constexpr config::Duration kLongestExtension = std::chrono::hours(24);

bool tells_ready(const config::ServiceTable& service) {
    return service.type == config::ServiceType::kNotify ||
           service.type == config::ServiceType::kNotifyFd;
}

bool is_waited_for(const Vitals& record) {
    return record.state == State::kStarting && record.main_alive != 0 &&
           (record.phase == Phase::kMain || record.phase == Phase::kAwaitReady);
}

}  // namespace

std::string missed_ping(const Entry& entry) {
    const std::uint64_t asked = entry.record().watchdog_us;
    const auto interval = asked != 0 ? std::chrono::milliseconds(asked / 1000)
                                     : std::chrono::duration_cast<std::chrono::milliseconds>(
                                           entry.unit().readiness->watchdog);
    return "watchdog: no ping within " + std::to_string(interval.count()) + " ms";
}

std::string waited_in_vain(const Entry& entry) {
    const Vitals& record = entry.record();
    if (record.state == State::kReloading) return "did not reload";
    if (record.phase == Phase::kAwaitHealth) {
        return "started, and no health check was good" + last_of(entry);
    }
    if (record.phase != Phase::kAwaitReady) return "did not start";
    return "started, and " + std::string(awaited_of(entry.unit().service.type)) + " did not come";
}

std::string_view awaited_of(config::ServiceType type) {
    switch (type) {
        case config::ServiceType::kNotify:
            return "READY=1";
        case config::ServiceType::kNotifyFd:
            return "a newline on notify_fd";
        case config::ServiceType::kForking:
            return "its daemon";
        case config::ServiceType::kExec:
        case config::ServiceType::kOneshot:
            return "its exec";
    }
    return "";
}

bool Manager::Impl::on_told(Entry& entry, Told what) {
    Vitals& record = entry.record();
    switch (what) {
        case Told::kReady:
            if (record.state == State::kReloading) {
                apply(entry, Event::kReady, {});
                break;
            }
            if (!is_waited_for(record) || !tells_ready(entry.unit().service)) return false;
            record.told_ready = 1;
            touch(entry);
            apply(entry, Event::kReady, {});
            break;
        case Told::kReloading:
            if (record.state != State::kRunning) return false;
            apply(entry, Event::kReloadingTold, {});
            break;
        case Told::kStopping:
            if (!is_up(entry) || record.main_alive == 0 || record.told_stopping != 0) return false;
            record.told_stopping = 1;
            touch(entry);
            apply(entry, Event::kStoppingTold, {});
            break;
        case Told::kPing:
            if (!is_up(entry) || record.main_alive == 0) return false;
            arm_watchdog(entry);
            break;
        case Told::kWatchdogTrigger:
            if (record.main_alive == 0) return false;
            apply(entry, Event::kWatchdog,
                  {.ending = Ending::kWatchdog,
                   .text = "watchdog: it has said that something is wrong"});
            break;
    }
    run();
    return true;
}

bool Manager::Impl::on_adopted(Token main_token, Token token, int pid) {
    Entry* const entry = tokens.find(main_token);
    if (entry == nullptr || token == 0) return false;
    Vitals& record = entry->record();
    const bool forking = entry->unit().service.type == config::ServiceType::kForking;
    const bool sought =
        forking && record.state == State::kStarting && record.phase == Phase::kAwaitReady;
    const bool lives = record.main_alive != 0 &&
                       (is_up(*entry) || is_waited_for(record) || record.phase == Phase::kPost ||
                        record.phase == Phase::kAwaitHealth);
    if (record.main_token != main_token || !(sought || lives)) return false;
    if (record.adopted_token != 0) tokens.erase(record.adopted_token);
    next_token = std::max(next_token, token + 1);
    record.adopted_token = token;
    record.main_pid = pid;
    record.main_alive = 1;
    tokens.add(token, *entry);
    touch(*entry);
    if (sought) apply(*entry, Event::kReady, {});
    run();
    return true;
}

void Manager::Impl::on_daemon_missing(Token main_token, const std::string& why) {
    Entry* const entry = tokens.find(main_token);
    if (entry == nullptr) return;
    const Vitals& record = entry->record();
    const bool sought = record.state == State::kStarting && record.phase == Phase::kAwaitReady &&
                        record.main_token == main_token && record.main_alive == 0;
    if (!sought) return;
    apply(*entry, Event::kMainExited, {.ending = Ending::kExitCode, .text = why});
    run();
}

void Manager::Impl::arm_watchdog(Entry& entry) {
    const config::Duration wanted = entry.unit().readiness->watchdog;
    if (wanted.count() <= 0) return;
    const std::uint64_t asked = entry.record().watchdog_us;
    arm(entry, TimerKind::kWatchdog,
        asked != 0 ? config::Duration(std::chrono::microseconds(asked)) : wanted);
}

void Manager::Impl::set_watchdog(Entry& entry, std::uint64_t interval_us) {
    Vitals& record = entry.record();
    if (record.main_alive == 0 || entry.unit().readiness->watchdog.count() <= 0) return;
    const auto longest = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(kLongestExtension).count());
    record.watchdog_us = std::clamp<std::uint64_t>(interval_us, 1, longest);
    touch(entry);
    if (is_up(entry)) arm_watchdog(entry);
    run();
}

void Manager::Impl::extend_timeout(Entry& entry, config::Duration by) {
    Vitals& record = entry.record();
    const config::ServiceTable& service = entry.unit().service;
    const bool stops = record.state == State::kStopping && record.phase != Phase::kTeardown;
    const bool starts = record.state == State::kStarting || record.state == State::kReloading;
    const config::Duration usual = stops ? service.timeout_stop : service.timeout_start;
    if (!(stops || starts) || usual == config::kForever || by.count() <= 0) return;
    const std::uint64_t now = timers.now_ns();
    const std::uint64_t since =
        record.state == State::kStarting ? record.state_since_ns : record.phase_since_ns;
    const auto asked = std::min(by, kLongestExtension);
    const auto until = now + static_cast<std::uint64_t>(asked.count());
    record.extended_until_ns = std::max(record.extended_until_ns, until);
    const auto extended =
        config::Duration(static_cast<std::int64_t>(record.extended_until_ns - now));
    touch(entry);
    arm(entry, stops ? TimerKind::kStopTimeout : TimerKind::kStartTimeout,
        std::max(left_of(usual, since, now), extended));
    run();
}

}  // namespace jailsvc::service
