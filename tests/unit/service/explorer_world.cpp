// The world: what the manager asks of it, and that it may ask for that now.

#include <algorithm>
#include <csignal>

#include "explorer_parts.hpp"

namespace jailsvc::service {

void Explorer::launch(const LaunchRequest& request) {
    const std::size_t unit = index(request.unit);
    Side& side = sides_[unit];
    const std::string& name = units_[unit].name;
    const bool main = request.purpose == Purpose::kMain;
    if (request.purpose == Purpose::kHealth) return check_launched(request);
    if (request.purpose == Purpose::kCondition) {
        if (resuming_) expect(side.condition_token == request.token, name + ": looks again");
        expect(side.main == Process::kNone && side.torn,
               name + ": looks at its conditions while something of it is there");
        side.condition_token = request.token;
        return;
    }
    if (request.purpose == Purpose::kListen) {
        if (resuming_) expect(side.listen_token == request.token, name + ": listens again");
        if (side.closing) side.open = side.closing = false;  // which was asked for before
        expect(!units_[unit].has_conditions() || side.met,
               name + ": listens, and nobody has looked at its conditions");
        side.met = false;
        side.listen_token = request.token;
        return;
    }
    if (resuming_) {
        const bool open = main
                              ? side.main == Process::kLaunching && side.main_token == request.token
                              : side.control_token == request.token;
        return expect(open, name + ": resume asks for a launch that nobody waits for");
    }
    if (!main) {
        expect(side.control == Process::kNone, name + ": two commands at once");
        side.control = Process::kLaunching;
        side.control_token = request.token;
    } else {
        expect(side.main == Process::kNone, name + ": two main processes");
        expect(!side.tearing, name + ": started while its jail is taken apart");
        side.main = Process::kLaunching;
        side.main_token = request.token;
        side.late = side.awaited = side.said_ready = side.finding = side.adopted = false;
        side.was_well = false;
        expect(!units_[unit].socket->waits_for_connections() || side.open,
               name + ": runs without its sockets");
        const bool by_itself = entry(unit).record().restarts > 0;
        const bool over = entry(unit).record().recent_starts > units_[unit].unit.start_limit_burst;
        expect(!by_itself || !over, name + ": restarted past its start limit");
    }
    const bool first = request.purpose == Purpose::kStartPre && request.command == 0;
    if (first || (main && units_[unit].service.exec_start_pre.empty())) {
        expect(side.torn, name + ": started before the last jail was gone");
        side.torn = false;
        const bool listened = units_[unit].socket->waits_for_connections();  // looked at before
        expect(!units_[unit].has_conditions() || side.met || side.again || listened,
               name + ": starts, and nobody has looked at its conditions");
        side.met = false;
        if (side.again) return;  // its turn had come before
        for (const Entry* need : entry(unit).needs) {
            expect(satisfies(*need), name + ": started while " + need->name() + " is not up");
            const std::size_t at = index(need->name());
            expect(!tells_ready(units_[at]) || sides_[at].said_ready,
                   name + ": started before " + need->name() + " was ready");
            const bool by_health = units_[at].readiness->ready == config::Ready::kHealth;
            expect(!by_health || sides_[at].was_well,
                   name + ": started before " + need->name() + " was healthy");
        }
        for (const Entry* rival : entry(unit).conflicts) {
            expect(sides_[index(rival->name())].main == Process::kNone,
                   name + ": started while its rival runs");
        }
    }
}

void Explorer::signal(std::string_view unit, Token token, int signo, Whom) {
    Side& side = sides_[index(unit)];
    if (token == side.check_token && signo == SIGKILL) side.check_killed = true;
}

void Explorer::teardown(std::string_view unit, Token token, bool) {
    Side& side = sides_[index(unit)];
    const std::string name(unit);
    if (resuming_) return expect(side.tearing, name + ": resume tears down what is gone");
    expect(!side.tearing && !side.torn, name + ": torn down twice");
    expect(side.main == Process::kNone && side.control == Process::kNone,
           name + ": torn down while a process lives");
    side.tearing = true;
    side.finding = false;
    side.check = Process::kNone;  // as everything in the jail
    side.main_token = token;      // which was never launched if exec_start_pre failed
}

void Explorer::await_connection(std::string_view unit) {
    Side& side = sides_[index(unit)];
    expect(side.open, std::string(unit) + ": waits for connections without sockets");
    if (!resuming_) side.awaited = true;
    // What came while it was to go down was nobody's.
    const bool known = side.awaited || goes_down(entry(index(unit)));
    expect(known, std::string(unit) + ": another engine waits for more");
}

void Explorer::close_sockets(std::string_view unit) {
    Side& side = sides_[index(unit)];
    expect(side.main == Process::kNone, std::string(unit) + ": runs, and its sockets are closed");
    if (resuming_) {
        return expect(side.closing, std::string(unit) + ": resume closes what is closed");
    }
    side.closing = true;
    side.awaited = false;
}

void Explorer::find_daemon(std::string_view unit, Token main_token) {
    Side& side = sides_[index(unit)];
    const std::string name(unit);
    if (resuming_) return expect(side.finding, name + ": resume looks for a daemon it has");
    expect(side.main_token == main_token && side.main == Process::kNone && !side.finding,
           name + ": looks for a daemon while its main process lives");
    side.finding = true;
}

void Explorer::arm(std::string_view unit, TimerKind kind, config::Duration) {
    sides_[index(unit)].timers |= bit(kind);
}

void Explorer::disarm(std::string_view unit, TimerKind kind) {
    sides_[index(unit)].timers &= static_cast<std::uint8_t>(~bit(kind));
}

void Explorer::changed(const Record&, State) {}

void Explorer::settled(JobId job, const JobResult& result) {
    const auto found = open_.find(job);
    expect(found != open_.end(), "a request settled that was not open");
    if (found != open_.end()) open_.erase(found);
    expect((result.outcome == JobOutcome::kDone) || !result.text.empty(),
           "a failure without text: outcome " + std::to_string(static_cast<int>(result.outcome)) +
               " of " + std::to_string(job));
}

}  // namespace jailsvc::service
