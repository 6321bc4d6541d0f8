// Timers: armed as the state machine says, and by a new engine for what is left of them.

#include <algorithm>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

/// Nothing if that is over.
config::Duration until(std::uint64_t then_ns, std::uint64_t now_ns) {
    return config::Duration(static_cast<std::int64_t>(std::max(then_ns, now_ns) - now_ns));
}

}  // namespace

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

void Manager::Impl::arm(Entry& entry, TimerKind timer, config::Duration after) {
    if (after == config::kForever) return disarm(entry, timer);
    effects.push_back(
        {.kind = Effect::Kind::kArm, .entry = &entry, .timer = timer, .after = after});
}

void Manager::Impl::disarm(Entry& entry, TimerKind timer) {
    effects.push_back({.kind = Effect::Kind::kDisarm, .entry = &entry, .timer = timer});
}

void Manager::Impl::rearm(Entry& entry) {
    const Vitals& record = entry.record();
    if (record.health != Health::kNone) arm_check(entry);
    const config::ServiceTable& service = entry.unit().service;
    switch (record.state) {
        case State::kStarting:
            return arm_rest(entry, TimerKind::kStartTimeout, service.timeout_start,
                            record.state_since_ns);
        case State::kReloading:
            arm_rest(entry, TimerKind::kStartTimeout, service.timeout_start, record.phase_since_ns);
            return rearm_running(entry);
        case State::kRunning:
            return rearm_running(entry);
        case State::kStopping:
            if (record.phase == Phase::kTeardown || record.phase == Phase::kClose) return;
            return arm_rest(entry, TimerKind::kStopTimeout, service.timeout_stop,
                            record.phase_since_ns);
        case State::kBackoff:
            return arm(entry, TimerKind::kBackoff, until(record.backoff_until_ns, timers.now_ns()));
        case State::kInactive:
        case State::kWaiting:
        case State::kFailed:
        case State::kDone:
        case State::kListening:
            return;
    }
}

void Manager::Impl::rearm_running(Entry& entry) {
    const Vitals& record = entry.record();
    const config::ServiceTable& service = entry.unit().service;
    arm_watchdog(entry);  // anew: pings may have come that nobody heard
    if (record.told_stopping != 0) {
        arm_rest(entry, TimerKind::kStopTimeout, service.timeout_stop, record.phase_since_ns);
    }
    if (record.backoff_level == 0) return;
    arm(entry, TimerKind::kStable,
        left_of(service.restart_reset_after, record.state_since_ns, timers.now_ns()));
}

/// What is left of a timeout that the service may have had extended.
void Manager::Impl::arm_rest(Entry& entry, TimerKind timer, config::Duration whole,
                             std::uint64_t since_ns) {
    const std::uint64_t now = timers.now_ns();
    arm(entry, timer,
        std::max(left_of(whole, since_ns, now), until(entry.record().extended_until_ns, now)));
}

}  // namespace jailsvc::service
