// Phase one: what has changed is looked at, and its neighbours, until nothing moves any more.

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

}  // namespace

void Manager::Impl::run() {
    while (Entry* entry = queue.pop()) consider(*entry);
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
    if (record.state == State::kStopping && record.after != State::kBackoff) return;
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

void Manager::Impl::start_reload(Entry& entry) {
    if (entry.life.next_reloads.empty() || entry.record().state != State::kRunning) return;
    if (goes_down(entry)) return;
    std::swap(entry.life.reloads, entry.life.next_reloads);
    apply(entry, Event::kReload, {});
}

Facts Manager::Impl::facts_of(const Entry& entry, Event event, const Happening& happening) const {
    const Vitals& record = entry.record();
    // A start uses the unit as it is loaded now; all else the unit as it was started.
    const bool starts = is_idle(entry);
    const config::Unit& unit = starts ? *entry.loaded : entry.unit();
    const config::ServiceTable& service = unit.service;
    Facts facts{.phase = record.phase,
                .after = record.after,
                .main_alive = record.main_alive != 0,
                .control_alive = record.control_token != 0,
                .target = unit.is_target,
                .oneshot = service.type == config::ServiceType::kOneshot,
                .remain = service.remain_after_exit,
                .has_pre = !service.exec_start_pre.empty(),
                .has_post = !service.exec_start_post.empty(),
                .has_reload = !service.exec_reload.empty(),
                .has_stop = !service.exec_stop.empty(),
                .has_stop_post = !service.exec_stop_post.empty(),
                .sweep = service.kill_mode == config::KillMode::kMixed,
                .last_command = happening.last_command,
                .clean = happening.ending == Ending::kClean};
    const bool unwanted = record.want == Want::kDown || record.want == Want::kAgain;
    facts.restart =
        !unwanted && !shutting_down && !entry.removed && restarts_after(happening.ending, service);
    if (event == Event::kBackoffOver) {
        facts.limit = limit_reached({record.interval_began_ns, record.recent_starts},
                                    entry.loaded->unit, timers.now_ns());
        facts.may_start = hindrance_to_start(entry).kind == Hindrance::Kind::kNone;
    }
    return facts;
}

void Manager::Impl::apply(Entry& entry, Event event, const Happening& happening) {
    const Step taken = decide(entry.record().state, event, facts_of(entry, event, happening));
    enter(entry, taken);
    for (const Action action : taken.actions) perform(entry, action, happening);
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
    if (rested && !at_rest(entry)) ++active;
    if (!rested && at_rest(entry)) --active;
    touch(entry);
    touch_neighbours(entry);
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
            settle(job.id, JobOutcome::kDone, {});
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
