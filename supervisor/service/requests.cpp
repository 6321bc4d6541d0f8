// Requests: which units a request concerns, and what each is to become.

#include <algorithm>
#include <iterator>

#include "service/impl.hpp"
#include "service/rules.hpp"

namespace jailsvc::service {
namespace {

std::string_view verb_of(Request what) {
    switch (what) {
        case Request::kStart:
            return "start";
        case Request::kStop:
            return "stop";
        case Request::kRestart:
            return "restart";
        case Request::kReload:
            return "reload";
    }
    return "request";
}

std::string tell(Request what, const Entry& entry) {
    return std::string(verb_of(what)) + " of " + entry.name();
}

/// Forgets what counts against a unit: somebody wants it now.
void pardon(Vitals& record) {
    record.restarts = 0;
    record.backoff_level = 0;
    record.recent_starts = 0;
    record.interval_began_ns = 0;
}

}  // namespace

Result<JobId> Manager::Impl::request(Request what, Entry& root) {
    const std::string by = tell(what, root);
    if (what == Request::kReload) return reload(root);
    if (what == Request::kStop) {
        for (Entry* entry : stop_set(root)) want_down(*entry, by);
        const JobId job = add_job(root, what);
        run();
        return job;
    }
    if (shutting_down) return fail(root.name() + ": everything is being stopped");
    TRY(const Set pulled, start_set(root));
    if (what == Request::kRestart) {
        cancel(root, true, by);
        for (Entry* entry : stop_set(root)) {
            if (entry == &root || entry->record().want != Want::kDown) want_again(*entry, by);
        }
    }
    pull(pulled, root, Asked::kNamed, by);
    const JobId job = add_job(root, what);
    run();
    return job;
}

JobId Manager::Impl::add_job(Entry& entry, Request what) {
    const JobId job = next_job++;
    entry.life.jobs.push_back({job, what});
    queue.push(entry);
    return job;
}

/// If it has not been added to one in this transaction.
void Manager::Impl::add_once(Set& set, Entry& entry) const {
    if (entry.mark == transaction) return;
    entry.mark = transaction;
    set.push_back(&entry);
}

/// The unit and what it requires, directly or not. Marks each with a new transaction.
Manager::Impl::Set Manager::Impl::must_set(Entry& root) {
    Set set;
    add_once(set, root);
    for (std::size_t head = 0; head < set.size(); ++head) {
        if (is_up(*set[head]) && !goes_down(*set[head])) continue;
        for (Entry* need : set[head]->needs) add_once(set, *need);
    }
    return set;
}

Result<Manager::Impl::Set> Manager::Impl::start_set(Entry& root) {
    if (!root.broken->empty()) return fail(root.name() + ": " + *root.broken);
    ++transaction;
    Set set = must_set(root);
    for (const Entry* entry : set) {
        if (entry->removed)
            return fail(root.name() + ": the file of " + entry->name() +
                        " is gone; stop it, or put the file back and run jailsvc daemon-reload");
        if (entry->unreadable && at_rest(*entry))
            return fail(root.name() + ": the file of " + entry->name() +
                        " has errors; see `jailsvc status " + entry->name() + "`");
        for (const Entry* rival : entry->conflicts) {
            if (rival->mark != transaction) continue;
            return fail(root.name() + ": needs " + entry->name() + " and " + rival->name() +
                        ", which conflict");
        }
    }
    const bool settled_service = is_up(root) && !goes_down(root) && !root.loaded->is_target;
    for (std::size_t head = 0; head < set.size() && !settled_service; ++head) {
        for (Entry* wanted : set[head]->wants) add_wanted(set, *wanted);
    }
    return set;
}

/// A wanted unit comes along with what it requires, or, if anything stands against it, not at all.
bool Manager::Impl::add_wanted(Set& set, Entry& wanted) {
    if (wanted.mark == transaction) return true;
    if (left_out != nullptr && left_out->contains(wanted.name())) return false;
    const Set group = must_set(wanted);
    const auto impossible = [&](const Entry* entry) {
        return !entry->broken->empty() || entry->removed ||
               (entry->unreadable && at_rest(*entry)) ||
               std::ranges::any_of(entry->conflicts,
                                   [&](const Entry* rival) { return rival->mark == transaction; });
    };
    if (std::ranges::any_of(group, impossible)) {
        for (Entry* entry : group) entry->mark = 0;
        return false;
    }
    set.insert(set.end(), group.begin(), group.end());
    return true;
}

/// The unit and what goes down with it.
Manager::Impl::Set Manager::Impl::stop_set(Entry& root) {
    Set set;
    ++transaction;
    add_once(set, root);
    for (std::size_t head = 0; head < set.size(); ++head) {
        for (Entry* dependent : set[head]->needed_by) add_once(set, *dependent);
        for (Entry* part : set[head]->parts) add_once(set, *part);
    }
    return set;
}

void Manager::Impl::pull(const Set& set, Entry& root, Asked asked, const std::string& by) {
    for (Entry* entry : set) {
        const bool named = entry == &root || asked == Asked::kTriggered;
        want_up(*entry, named ? asked : Asked::kPulled, by);
    }
    for (const Entry* entry : set) {
        for (Entry* rival : entry->conflicts) {
            const bool down = at_rest(*rival) && rival->record().want != Want::kUp;
            if (down || rival->record().want == Want::kDown) continue;
            for (Entry* victim : stop_set(*rival)) {
                if (std::ranges::find(set, victim) == set.end()) want_down(*victim, by);
            }
        }
    }
}

void Manager::Impl::want_up(Entry& entry, Asked asked, const std::string& by) {
    Vitals& record = entry.record();
    const bool explicitly = asked == Asked::kNamed;
    if (is_up(entry) && record.want == Want::kNothing && !explicitly) return;
    cancel(entry, true, by);
    const bool by_itself = record.want != Want::kDown && is_coming(entry) && !explicitly;
    record.wanted_up = 1;
    record.failing = 0;
    if (!by_itself && asked != Asked::kTriggered) pardon(record);
    switch (record.state) {
        case State::kStopping:
            if (!by_itself) record.want = Want::kAgain;
            break;
        case State::kBackoff:  // its delay is for the policy; a person need not wait
            if (!by_itself) record.want = Want::kAgain;
            break;
        case State::kInactive:
        case State::kWaiting:
        case State::kStarting:
        case State::kRunning:
        case State::kReloading:
        case State::kFailed:
        case State::kDone:
        case State::kListening:
            // What came while it was to go down was nobody's.
            if (record.state == State::kListening) {
                effects.push_back({.kind = Effect::Kind::kAwait, .entry = &entry});
            }
            // It says why it was, or was to go, down.
            if (record.want == Want::kDown || at_rest(entry)) set_because(entry, {});
            if (record.want != Want::kAgain) record.want = Want::kUp;
            break;
    }
    touch(entry);
    touch_neighbours(entry);  // some wait for, or by, what it wants
}

void Manager::Impl::want_down(Entry& entry, const std::string& by) {
    Vitals& record = entry.record();
    cancel(entry, false, by);
    record.wanted_up = 0;
    record.succeeded = 0;
    record.skipped = 0;
    if (record.state == State::kStopping) {
        const bool returns =
            comes_back(record) || (record.after == State::kInactive && record.want == Want::kAgain);
        if (returns) set_because(entry, by);  // else it says why it goes down for good
    } else if (!at_rest(entry) && record.want != Want::kDown) {
        record.failing = 0;
        set_because(entry, by);
    }
    record.want = Want::kDown;
    touch(entry);
    touch_neighbours(entry);  // some wait for, or by, what it wants
}

void Manager::Impl::want_again(Entry& entry, const std::string& by) {
    Vitals& record = entry.record();
    if (is_idle(entry)) return;
    if (record.state != State::kStopping && record.failing == 0) set_because(entry, by);
    record.want = Want::kAgain;
    pardon(record);
    touch(entry);
    touch_neighbours(entry);  // some wait for, or by, what it wants
}

/// Ends the pending requests of one direction because `by` goes the other way.
void Manager::Impl::cancel(Entry& entry, bool stops, const std::string& by) {
    const auto opposite = [&](const Job& job) { return (job.what == Request::kStop) == stops; };
    for (const Job& job : entry.life.jobs) {
        if (!opposite(job)) continue;
        settle(job.id, JobOutcome::kCancelled, tell(job.what, entry) + " cancelled by " + by);
    }
    std::vector<Job> rest;
    std::ranges::remove_copy_if(entry.life.jobs, std::back_inserter(rest), opposite);
    entry.life.jobs = std::move(rest);
    if (stops) return;
    for (const JobId job : entry.life.next_reloads) {
        settle(job, JobOutcome::kCancelled, tell(Request::kReload, entry) + " cancelled by " + by);
    }
    entry.life.next_reloads = {};
}

Result<JobId> Manager::Impl::reload(Entry& entry) {
    const State state = entry.record().state;
    const bool coming = state == State::kWaiting || state == State::kStarting;
    const bool up = state == State::kRunning || state == State::kReloading;
    if ((!up && !coming) || goes_down(entry)) {
        return fail(entry.name() + ": is not running; start it instead");
    }
    const config::Unit& unit = state == State::kWaiting ? *entry.loaded : entry.unit();
    if (unit.service.exec_reload.empty()) {
        return fail(entry.name() + ": has no exec_reload; use restart");
    }
    const JobId job = next_job++;
    entry.life.next_reloads.push_back(job);
    queue.push(entry);
    run();
    return job;
}

void Manager::Impl::trigger(const Outcome& outcome) {
    if (shutting_down) return;
    const config::UnitTable& unit = outcome.entry->unit().unit;
    const std::string key = outcome.failed ? "on_failure" : "on_success";
    const std::string by = key + " of " + outcome.entry->name();
    for (const std::string& name : outcome.failed ? unit.on_failure : unit.on_success) {
        Entry* triggered = find(name);
        const Result<void> done = triggered != nullptr
                                      ? trigger(*triggered, by)
                                      : Result<void>(fail(name + ": no such unit"));
        if (done) continue;
        notes.emplace_back(outcome.entry, key + ": not started: " + done.error().message);
    }
}

/// Nobody asked for it: what counts against its starts goes on counting.
Result<void> Manager::Impl::trigger(Entry& triggered, const std::string& by) {
    TRY(const Set pulled, start_set(triggered));
    for (const Entry* entry : pulled) {
        const Vitals& record = entry->record();
        const StartWindow window{record.interval_began_ns, record.recent_starts};
        if (is_up(*entry) || !limit_reached(window, entry->loaded->unit, timers.now_ns())) continue;
        return fail(triggered.name() + ": start limit of " + entry->name() + " reached");
    }
    pull(pulled, triggered, Asked::kTriggered, by);
    return {};
}

JobId Manager::Impl::stop_all() {
    shutting_down = true;
    for (const auto& entry : entries) {
        if (!at_rest(*entry) || !entry->life.jobs.empty()) want_down(*entry, "shutdown");
    }
    const JobId job = next_job++;
    shutdown_jobs.push_back(job);
    run();
    return job;
}

}  // namespace jailsvc::service
