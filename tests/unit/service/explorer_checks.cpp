// Invariants: what holds in every state, of one unit and of all.

#include <algorithm>

#include "explorer_parts.hpp"

namespace jailsvc::service {

void Explorer::check_unit(std::size_t unit) {
    const Entry& self = entry(unit);
    const Vitals& record = self.record();
    const Side& side = sides_[unit];
    const std::string& name = self.name();
    const bool empty = side.main == Process::kNone && side.control == Process::kNone;
    if (!holds_processes(record.state)) {
        expect(empty && side.torn && !side.tearing, name + ": is down, and something of it lives");
        const std::uint8_t allowed = record.state == State::kBackoff ? bit(TimerKind::kBackoff) : 0;
        expect((side.timers & ~allowed) == 0, name + ": is down, and a timer runs");
        if (record.state == State::kBackoff) {
            expect(side.timers == allowed, name + ": waits for a timer that does not run");
        }
    }
    if (record.state == State::kRunning || record.state == State::kReloading) {
        expect(side.main == Process::kAlive, name + ": is up without its process");
    }
    check_ready(unit);
    if (record.state == State::kStarting || record.state == State::kReloading) {
        expect((side.timers & bit(TimerKind::kStartTimeout)) != 0, name + ": starts untimed");
    }
    expect((side.main != Process::kNone) == (record.main_alive != 0), name + ": lost its process");
    expect(!at_rest(self) || record.want == Want::kNothing, name + ": rests, and wants something");
    if (fell_with_another(self) && self.broken->empty()) {
        const bool up = std::ranges::all_of(
            self.needs, [](const Entry* need) { return satisfies(*need) && !goes_down(*need); });
        const bool free =
            std::ranges::all_of(self.conflicts, [](const Entry* rival) { return is_idle(*rival); });
        const bool limited = record.recent_starts >= units_[unit].unit.start_limit_burst;
        expect(self.needs.empty() || !up || !free || limited,
               name + ": stays down though it could start");
    }
    if (!is_active(record.state) || record.want == Want::kDown) return;
    for (const Entry* need : self.needs) {
        const Vitals& other = need->record();
        const bool down =
            other.state == State::kFailed ||
            (other.state == State::kInactive && other.succeeded == 0 && other.skipped == 0);
        expect(!down, name + ": runs on while " + need->name() + " is down");
        const bool bound = std::ranges::find(need->bound_by, &self) != need->bound_by.end();
        expect(!bound || satisfies(*need) || record.want == Want::kAgain,
               name + ": runs on while it binds to " + need->name() + ", which is not up");
    }
}

/// Sockets are open from the first start to the rest, and somebody waits for connections exactly
/// while nothing runs that could take them.
void Explorer::check_sockets(std::size_t unit) {
    const Entry& self = entry(unit);
    const Vitals& record = self.record();
    const Side& side = sides_[unit];
    const std::string& name = self.name();
    expect(!at_rest(self) || !side.open || side.closing,
           name + ": rests, and its sockets are open");
    expect(record.phase != Phase::kClose || side.closing, name + ": nobody closes its sockets");
    expect(record.listening == 0 || side.open, name + ": counts as listening, and does not");
    if (record.state == State::kListening) {
        expect(record.listening != 0 && record.ready != 0, name + ": listens, and is not up");
        expect(side.awaited || goes_down(self), name + ": nobody waits for its connections");
    }
    if (record.state == State::kStarting && record.phase == Phase::kListen) {
        expect(side.listen_token != 0, name + ": opens sockets, and nobody was asked to");
    }
}

/// Nobody is up before it is ready, and a watchdog watches who is up and nobody else.
void Explorer::check_ready(std::size_t unit) {
    const State state = entry(unit).record().state;
    const std::string& name = units_[unit].name;
    const bool up = state == State::kRunning || state == State::kReloading;
    expect(!up || !tells_ready(units_[unit]) || sides_[unit].said_ready,
           name + ": is up before it is ready");
    expect(!up || !is_forking(units_[unit]) || sides_[unit].adopted,
           name + ": is up without its daemon");
    const bool waits =
        state == State::kStarting && entry(unit).record().phase == Phase::kAwaitReady;
    expect(!waits || !tells_ready(units_[unit]) || !sides_[unit].said_ready,
           name + ": is waited for though it has said that it is ready");
    const bool watched = up && units_[unit].readiness->watchdog.count() > 0;
    expect(((sides_[unit].timers & bit(TimerKind::kWatchdog)) != 0) == watched,
           name + (watched ? ": is not watched" : ": is watched though it is not up"));
}

/// Who is up says nothing, who is down or goes there has a reason.
void Explorer::check_because(const Entry& self) {
    const std::string because = because_of(self);
    const State state = self.record().state;
    const bool leaves = goes_down(self) || state == State::kStopping;
    const Phase phase = self.record().phase;
    const bool waits =
        state == State::kStarting && (phase == Phase::kAwaitReady || phase == Phase::kAwaitHealth);
    if (is_active(state) && !leaves && !waits) {
        expect(because.empty(), self.name() + ": is up, and still says \"" + because + "\"");
    } else if (state != State::kInactive && state != State::kListening) {
        expect(!because.empty(), self.name() + ": does not say why");
    }
}

/// A unit that was up and is told to stop: nothing that requires it lives any more.
void Explorer::check_stop_order(const std::vector<State>& before) {
    for (std::size_t unit = 0; unit < units_.size(); ++unit) {
        const Vitals& record = entry(unit).record();
        const bool told =
            is_active(before[unit]) && record.state == State::kStopping &&
            (record.want == Want::kDown || record.want == Want::kAgain) &&
            sides_[unit].main != Process::kNone &&
            (record.phase == Phase::kTerminate || record.phase == Phase::kStopCommand);
        if (!told) continue;
        for (const Entry* later : entry(unit).needed_by) {
            expect(sides_[index(later->name())].main == Process::kNone,
                   units_[unit].name + ": stops before " + later->name() + " is down");
        }
    }
}

void Explorer::check(const std::vector<State>& before, std::string_view event) {
    for (std::size_t unit = 0; unit < units_.size(); ++unit) {
        check_unit(unit);
        check_sockets(unit);
        check_health(unit);
        check_because(entry(unit));
    }
    // Who fails is told to end at once.
    const bool fails = event == "start timeout" || event.starts_with("command") ||
                       event == "no ping" || event == "says it is ill" || event == "bad check" ||
                       event == "check late";
    if (!fails) {
        check_stop_order(before);
    }
    std::size_t jobs = 0;
    for (const Entry* unit : entries_) {
        jobs += unit->life.jobs.size() + unit->life.reloads.size() + unit->life.next_reloads.size();
    }
    expect(jobs == open_.size(), "a request was forgotten");
}

std::string Explorer::tell_states() const {
    std::string text;
    for (const Entry* unit : entries_) {
        const Vitals& record = unit->record();
        text.append(unit->name()).append(" ").append(name_of(record.state));
        text.append(" phase ").append(std::to_string(static_cast<int>(record.phase)));
        text.append(" want ").append(std::to_string(static_cast<int>(record.want))).append("; ");
    }
    return text;
}

/// The engine dies here: another one, from the records alone, must stand in the same state.
void Explorer::check_restore() {
    const Snapshot here = save();
    const std::string key = canonical(false);
    std::vector<Record> records;
    for (const Entry* unit : entries_) records.push_back(record_of(*unit));

    resuming_ = true;
    for (Side& side : sides_) side.timers = 0;
    Manager second(*this, *this, *this);
    (void)second.load(units_);
    second.restore(records);
    second.resume();
    for (std::size_t unit = 0; unit < entries_.size(); ++unit) {
        entry(unit).life.record = second.status(units_[unit].name)->record;
    }
    if (canonical(false) != key) {
        const std::string there = tell_states();
        jump(here);
        expect(false, "another engine stands elsewhere: " + tell_states() + "=> " + there);
    }
    expect(second.next_token() >= here.next_token || records.empty() ||
               here.next_token == manager_.next_token(),
           "tokens would repeat");
    resuming_ = false;
    jump(here);
}

}  // namespace jailsvc::service
