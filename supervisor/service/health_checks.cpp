// Health checks: when one is made, what is heard of it, and what follows.

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/probe_code.hpp"
#include "service/health.hpp"
#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

HealthFacts facts_of_health(const Entry& entry, std::uint64_t now_ns) {
    const Vitals& record = entry.record();
    const config::HealthTable& health = *entry.unit().health;
    return {
        .waited_for = record.phase == Phase::kAwaitHealth,
        .start_period = left_of(health.start_period, record.main_started_ns, now_ns).count() > 0,
        .retries = health.retries};
}

/// What its end says of the service; empty: all is well.
std::string tell_end(const config::HealthTable& health, const ExitInfo& info) {
    if (!info.by_signal && info.code == 0) return {};
    const bool probes = health.exec.empty() && !info.by_signal && info.known;
    return probes ? probe::describe(info.code) : tell(info);
}

/// Whether it is the check's own fault that it was not executed. What else there may be (a jailer
/// that died, a unit that is frozen) says nothing of the service.
bool is_own_fault(const LaunchFailure& failure) {
    return failure.operation == "exec";
}

}  // namespace

void Manager::Impl::begin_checks(Entry& entry) {
    Vitals& record = entry.record();
    if (record.health != Health::kNone) return;
    record.bad_checks = 0;
    record.first_tries = 0;
    entry.life.health = HealthNotes{};
    become(entry, Health::kStarting, {});
    launch_check(entry);
}

void Manager::Impl::end_checks(Entry& entry) {
    Vitals& record = entry.record();
    if (record.health == Health::kNone) return;
    if (record.check_token != 0) {
        signal(entry, record.check_token, SIGKILL, Whom::kProcess);
        forget_check(entry);
    }
    disarm(entry, TimerKind::kHealth);
    record.bad_checks = 0;
    record.first_tries = 0;
    become(entry, Health::kNone, {});
}

void Manager::Impl::launch_check(Entry& entry) {
    Vitals& record = entry.record();
    record.check_token = next_token++;
    record.check_late = 0;
    if (record.first_tries < kMostFirstTries) ++record.first_tries;
    tokens.add(record.check_token, entry);
    touch(entry);
    request_check(entry);
    arm_check(entry);
}

void Manager::Impl::request_check(Entry& entry) {
    const Vitals& record = entry.record();
    effects.push_back({.kind = Effect::Kind::kLaunch,
                       .entry = &entry,
                       .launch = {.token = record.check_token,
                                  .main_token = record.main_token,
                                  .unit = entry.name(),
                                  .purpose = Purpose::kHealth}});
}

/// The pause is over; or the check that runs has had its time. One that does not even end when it
/// is killed is asked for its end again and again, and counts each time.
void Manager::Impl::check_due(Entry& entry) {
    Vitals& record = entry.record();
    if (record.health == Health::kNone) return;
    if (record.check_token == 0) return launch_check(entry);
    const bool first = record.check_late == 0;
    record.check_late = 1;
    touch(entry);
    signal(entry, record.check_token, SIGKILL, Whom::kProcess);
    arm_check(entry);
    judge(entry, false,
          first ? "no answer within " + tell(entry.unit().health->timeout)
                : "a check that has had its time cannot be ended");
}

/// What runs has its time from the launch on.
bool Manager::Impl::check_started(Entry& entry, Token token) {
    return token == entry.record().check_token;
}

bool Manager::Impl::check_ended(Entry& entry, Token token, const ExitInfo& info) {
    Vitals& record = entry.record();
    if (token != record.check_token) return false;
    const bool counted = record.check_late != 0 || !info.executed;
    forget_check(entry);
    if (!counted) {
        const std::string reason = tell_end(*entry.unit().health, info);
        judge(entry, reason.empty(), reason);
    }
    next_check(entry);
    run();
    return true;
}

bool Manager::Impl::check_not_run(Entry& entry, Token token, const LaunchFailure& failure) {
    Vitals& record = entry.record();
    if (token != record.check_token) return false;
    forget_check(entry);
    if (is_own_fault(failure)) {
        judge(entry, false, tell(failure));
    } else {
        entry.life.health.make().reason = "not checked: " + tell(failure);
    }
    next_check(entry);
    run();
    return true;
}

void Manager::Impl::forget_check(Entry& entry) {
    Vitals& record = entry.record();
    tokens.erase(record.check_token);
    record.check_token = 0;
    record.check_late = 0;
    touch(entry);
}

/// If what the last one said has not taken it down.
void Manager::Impl::next_check(Entry& entry) {
    entry.life.health.make().checked_ns = timers.now_ns();
    if (entry.record().health != Health::kNone) arm_check(entry);
}

/// For the check that runs its limit; before the next the pause.
void Manager::Impl::arm_check(Entry& entry) {
    const Vitals& record = entry.record();
    const config::HealthTable& health = *entry.unit().health;
    const bool runs = record.check_token != 0 && record.check_late == 0;
    arm(entry, TimerKind::kHealth,
        runs ? health.timeout : pause_before(record.health, record.first_tries, health.interval));
}

/// Who is to stop is not judged any more: it does so in its turn, and not as a failure.
void Manager::Impl::judge(Entry& entry, bool good, const std::string& reason) {
    if (goes_down(entry)) return;
    Vitals& record = entry.record();
    const Health before = record.health;
    const HealthVerdict verdict =
        judged(before, record.bad_checks, good, facts_of_health(entry, timers.now_ns()));
    record.bad_checks = verdict.bad;
    if (!good) entry.life.health.make().reason = reason;
    touch(entry);
    if (verdict.next == before) return;
    become(entry, verdict.next, good ? entry.life.health->reason : reason);
    if (good) return apply(entry, Event::kHealthy, {});
    heed(entry, reason);
}

void Manager::Impl::become(Entry& entry, Health now, const std::string& reason) {
    const Health before = std::exchange(entry.record().health, now);
    if (before == now) return;
    entry.life.health.make().changed_ns = timers.now_ns();
    health_changes.push_back({&entry, before, now, reason});
    touch(entry);
}

/// It has become unhealthy.
void Manager::Impl::heed(Entry& entry, const std::string& reason) {
    const config::HealthTable& health = *entry.unit().health;
    switch (health.on_unhealthy) {
        case config::OnUnhealthy::kNone:
            return;
        case config::OnUnhealthy::kSignal:
            return signal(entry, main_process(entry.record()), health.signal, Whom::kProcess);
        case config::OnUnhealthy::kRestart:
            return apply(entry, Event::kUnhealthy,
                         {.ending = Ending::kUnhealthy,
                          .text = "unhealthy: " + std::to_string(entry.record().bad_checks) +
                                  " bad checks, the last one: " + reason});
    }
}

}  // namespace jailsvc::service
