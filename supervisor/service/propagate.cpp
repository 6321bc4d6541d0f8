// Phase one: what has changed is looked at, and its neighbours, until nothing moves any more.

#include <algorithm>
#include <utility>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

/// A oneshot whose every command has ended well: the taking apart of its jail is nobody's to wait
/// for but the next start's.
bool is_through(const Vitals& record) {
    return record.succeeded != 0 && record.state == State::kStopping &&
           record.phase == Phase::kTeardown && record.after == State::kInactive;
}

/// As a shell tells it (128 and the signal); 1 for what failed without a program that did.
int exit_code(const Vitals& record) {
    if (record.main_started_ns == 0) return 1;
    const int code = record.last_by_signal != 0 ? 128 + record.last_code : record.last_code;
    return record.state == State::kFailed && code == 0 ? 1 : code;
}

}  // namespace

void Manager::Impl::run() {
    while (true) {
        while (Entry* entry = queue.pop()) consider(*entry);
        if (outcomes.empty()) break;
        for (const Outcome& outcome : std::exchange(outcomes, {})) trigger(outcome);
    }
    if (active == 0) {
        for (const JobId job : shutdown_jobs) settle(job, JobOutcome::kDone, {});
        shutdown_jobs.clear();
    }
    execute();
    drop_removed();
}

void Manager::Impl::consider(Entry& entry) {
    const Vitals& record = entry.record();
    if (is_gone(entry)) take_down_dependents(entry);
    come_back(entry);  // what it fell with may be up again by now
    if (satisfies(entry)) {
        for (Entry* dependent : entry.needed_by) come_back(*dependent);
    } else {
        take_down_bound(entry);
    }
    if (is_idle(entry)) {
        for (Entry* rival : entry.conflicts) come_back(*rival);
    }
    switch (record.want) {
        case Want::kNothing:
            if (record.state == State::kWaiting) pursue_up(entry);
            break;
        case Want::kUp:
            pursue_up(entry);
            break;
        case Want::kDown:
            pursue_down(entry);
            break;
        case Want::kAgain:
            if (is_idle(entry)) {
                entry.record().want = Want::kUp;
                touch(entry);
                if (record.state == State::kBackoff) apply(entry, Event::kWait, {});
                pursue_up(entry);
            } else {
                pursue_down(entry);
            }
            break;
    }
    start_reload(entry);
}

void Manager::Impl::pursue_up(Entry& entry) {
    if (is_up(entry)) return conclude(entry);
    const State state = entry.record().state;
    if (!at_rest(entry) && state != State::kWaiting) return;
    const Hindrance hindrance = hindrance_to_start(entry);
    switch (hindrance.kind) {
        case Hindrance::Kind::kNone:
            return apply(entry, Event::kStart, {});
        case Hindrance::Kind::kWait:
            if (state != State::kWaiting) apply(entry, Event::kWait, {});
            return;
        case Hindrance::Kind::kNever:
            return apply(
                entry, Event::kDependencyFailed,
                {.outcome = JobOutcome::kDependency, .text = never_because(entry, hindrance)});
    }
}

void Manager::Impl::pursue_down(Entry& entry) {
    const Vitals& record = entry.record();
    if (at_rest(entry)) return conclude(entry);
    if (record.state == State::kStopping && !comes_back(record)) return;
    if (record.state != State::kStopping && !is_idle(entry) &&
        hindrance_to_stop(entry) != nullptr) {
        return;
    }
    if (record.failing != 0) {
        return apply(entry, Event::kDependencyFailed,
                     {.outcome = JobOutcome::kDependency, .text = *entry.life.because});
    }
    apply(entry, Event::kStop, {});
}

/// Everything that requires `failed`, however far away, has to go. It says why: the root cause.
void Manager::Impl::take_down_dependents(Entry& failed) {
    std::string text;
    Set set;
    const auto add = [&](const Entry& cause) {
        for (Entry* dependent : cause.needed_by) {
            Vitals& record = dependent->record();
            if (at_rest(*dependent) || record.state == State::kStopping) continue;
            if (record.want == Want::kDown) continue;
            if (text.empty()) text = blame_on(failed);
            record.want = Want::kDown;
            record.failing = 1;
            record.outcome = static_cast<std::uint8_t>(JobOutcome::kDependency);
            set_because(*dependent, text);
            touch(*dependent);
            touch_neighbours(*dependent);
            set.push_back(dependent);
        }
    };
    add(failed);
    for (std::size_t head = 0; head < set.size(); ++head) add(*set[head]);
}

/// Who binds to a unit that is not up goes down, with all that needs it, to start again when the
/// unit is up. Its own start limit has nothing to do with that.
void Manager::Impl::take_down_bound(Entry& entry) {
    const auto stays = [](const Entry& other) {
        const Vitals& record = other.record();
        return is_idle(other) || record.state == State::kStopping || record.want == Want::kDown ||
               record.want == Want::kAgain;
    };
    for (Entry* bound : entry.bound_by) {
        if (stays(*bound)) continue;
        const std::string text = blame_on(entry);
        for (Entry* member : stop_set(*bound)) {
            if (!stays(*member)) want_again(*member, text);
        }
    }
}

/// What failed only because of another is started again when nothing stands against it any more,
/// unless somebody stopped it since or its start limit is reached.
void Manager::Impl::come_back(Entry& entry) {
    Vitals& record = entry.record();
    const bool fell = record.state == State::kFailed && record.wanted_up != 0 &&
                      static_cast<JobOutcome>(record.outcome) == JobOutcome::kDependency;
    if (!fell || record.want != Want::kNothing || entry.removed || shutting_down) return;
    const StartWindow window{record.interval_began_ns, record.recent_starts};
    if (!entry.broken->empty() || limit_reached(window, entry.loaded->unit, timers.now_ns()))
        return;
    const auto stands = [](const Entry* need) { return satisfies(*need) && !goes_down(*need); };
    const auto is_free = [](const Entry* rival) { return is_idle(*rival); };
    if (!std::ranges::all_of(entry.needs, stands)) return;
    if (!std::ranges::all_of(entry.conflicts, is_free)) return;
    record.want = Want::kUp;
    record.failing = 0;
    set_because(entry, {});
    touch(entry);
    touch_neighbours(entry);
}

void Manager::Impl::start_reload(Entry& entry) {
    if (entry.life.next_reloads.empty() || entry.record().state != State::kRunning) return;
    if (goes_down(entry)) return;
    std::swap(entry.life.reloads, entry.life.next_reloads);
    apply(entry, Event::kReload, {});
}

Facts Manager::Impl::facts_of(const Entry& entry, Event event, const Happening& happening) const {
    const Vitals& record = entry.record();
    // A start uses the unit as it is loaded now; all else the unit as it was started.
    const bool starts = is_idle(entry) || event == Event::kActivated;
    const config::Unit& unit = starts ? *entry.loaded : entry.unit();
    const config::ServiceTable& service = unit.service;
    Facts facts{.phase = record.phase,
                .after = record.after,
                .main_alive = record.main_alive != 0,
                .control_alive = record.control_token != 0,
                .target = unit.is_target,
                .oneshot = service.type == config::ServiceType::kOneshot,
                .remain = service.remain_after_exit,
                .tells_ready = service.type == config::ServiceType::kNotify ||
                               service.type == config::ServiceType::kNotifyFd,
                .told_ready = record.told_ready != 0,
                .forking = service.type == config::ServiceType::kForking,
                .adopted = record.adopted_token != 0,
                .has_pre = !service.exec_start_pre.empty(),
                .has_post = !service.exec_start_post.empty(),
                .has_reload = !service.exec_reload.empty(),
                .has_stop = !service.exec_stop.empty(),
                .has_stop_post = !service.exec_stop_post.empty(),
                .sweep = service.kill_mode == config::KillMode::kMixed,
                .last_command = happening.last_command,
                .clean = happening.ending == Ending::kClean,
                .on_demand = unit.is_activated() && !entry.removed,
                .listening = record.listening != 0,
                .opens = unit.socket->waits_for_connections(),
                .skip = happening.skip,
                .never = happening.never,
                .checks = unit.health->present(),
                .ready_by_health = unit.readiness->ready == config::Ready::kHealth};
    // Of one that waits for times before each run, of one that connections start before it listens.
    facts.conditions = unit.has_conditions() && !(facts.opens && facts.listening) &&
                       (!unit.timer->present() || facts.listening || !facts.on_demand);
    facts.has_sockets = record.sockets != 0 && record.want != Want::kAgain;
    const bool unwanted = record.want == Want::kDown || record.want == Want::kAgain;
    facts.restart =
        !unwanted && !shutting_down && !entry.removed && restarts_after(happening.ending, service);
    if (event == Event::kBackoffOver || facts.on_demand) {
        facts.limit = limit_reached({record.interval_began_ns, record.recent_starts},
                                    entry.loaded->unit, timers.now_ns());
        facts.may_start = hindrance_to_start(entry).kind == Hindrance::Kind::kNone;
    }
    return facts;
}

void Manager::Impl::apply(Entry& entry, Event event, const Happening& happening) {
    const State before = entry.record().state;
    const Facts facts = facts_of(entry, event, happening);
    const Step taken = decide(before, event, facts);
    enter(entry, taken);
    for (const Action action : taken.actions) perform(entry, action, happening);
    note_outcome(entry, event, facts, before);
    conclude(entry);
    conclude_reloads(entry);
}

void Manager::Impl::enter(Entry& entry, const Step& taken) {
    Vitals& record = entry.record();
    const bool rested = at_rest(entry);
    const bool moved = record.state != taken.next;
    if (moved || record.phase != taken.phase) record.phase_since_ns = timers.now_ns();
    if (moved) record.state_since_ns = record.phase_since_ns;
    record.state = taken.next;
    record.phase = taken.phase;
    record.after = taken.after;
    if (moved && !is_up(entry)) record.ready = 0;
    if (at_rest(entry)) record.listening = 0;
    if (rested && !at_rest(entry)) ++active;
    if (!rested && at_rest(entry)) --active;
    touch(entry);
    touch_neighbours(entry);
}

/// What others wait for: that it has failed, has done its work, or, if essential, that it has
/// ended.
void Manager::Impl::note_outcome(Entry& entry, Event event, const Facts& facts, State before) {
    const Vitals& record = entry.record();
    const config::UnitTable& unit = entry.unit().unit;
    const bool failed = record.state == State::kFailed && before != State::kFailed;
    const bool ended = event == Event::kMainExited && facts.clean && !facts.oneshot &&
                       record.state == State::kStopping && before != State::kStopping &&
                       (record.after == State::kInactive || record.after == State::kListening);
    const bool worked = facts.oneshot && before == State::kStarting &&
                        (record.state == State::kDone || record.succeeded != 0);
    if (failed && !unit.on_failure.empty()) outcomes.push_back({&entry, true});
    if ((ended || worked) && !unit.on_success.empty()) outcomes.push_back({&entry, false});
    const bool rests =
        failed || (at_rest(entry) && before != State::kInactive && before != State::kFailed);
    const bool asked = record.wanted_up == 0 || record.want == Want::kAgain;
    if (unit.essential && rests && !asked && record.skipped == 0)
        essential_ends.emplace_back(&entry, exit_code(record));
}

/// Whether what the unit was on its way to has been reached, or cannot be any more.
void Manager::Impl::conclude(Entry& entry) {
    Vitals& record = entry.record();
    switch (record.want) {
        case Want::kNothing:
            return;
        case Want::kUp:
            if (!is_up(entry) && !at_rest(entry) && !is_through(record)) return;
            break;
        case Want::kDown:
            if (!at_rest(entry)) return;
            break;
        case Want::kAgain:
            if (is_idle(entry)) queue.push(entry);
            return;
    }
    settle_jobs(entry);
    record.want = Want::kNothing;
    record.failing = 0;
    touch(entry);
    touch_neighbours(entry);
}

void Manager::Impl::settle_jobs(Entry& entry) {
    const Vitals& record = entry.record();
    for (const Job& job : entry.life.jobs) {
        if (job.what == Request::kStop || record.state != State::kFailed) {
            const bool skipped = job.what != Request::kStop && record.skipped != 0;
            settle(job.id, JobOutcome::kDone,
                   skipped ? "skipped: " + *entry.life.because : std::string());
        } else {
            settle(job.id, static_cast<JobOutcome>(record.outcome), *entry.life.because);
        }
    }
    entry.life.jobs = {};
}

/// A unit that went down cannot be reloaded; one that is up or coming can, or is being.
void Manager::Impl::conclude_reloads(Entry& entry) {
    const State state = entry.record().state;
    if (state == State::kRunning || state == State::kReloading) return;
    const bool coming = state == State::kWaiting || state == State::kStarting;
    for (const JobId job : entry.life.reloads) {
        settle(job, JobOutcome::kFailed, entry.name() + " went down during the reload");
    }
    entry.life.reloads = {};
    if (coming) return;
    for (const JobId job : entry.life.next_reloads) {
        settle(job, JobOutcome::kCancelled, entry.name() + " went down before its reload");
    }
    entry.life.next_reloads = {};
}

void Manager::Impl::settle(JobId job, JobOutcome outcome, std::string text) {
    settled.emplace_back(job, JobResult{outcome, std::move(text)});
}

void Manager::Impl::touch(Entry& entry) {
    if (entry.touched) return;
    entry.touched = true;
    touched.push_back(&entry);
}

void Manager::Impl::touch_neighbours(Entry& entry) {
    queue.push(entry);
    for (const auto* neighbours :
         {&entry.needed_by, &entry.after, &entry.before, &entry.conflicts}) {
        for (Entry* neighbour : *neighbours) {
            if (neighbour->record().want != Want::kNothing || !at_rest(*neighbour)) {
                queue.push(*neighbour);
            }
        }
    }
}

}  // namespace jailsvc::service
