#include "explorer.hpp"

#include <algorithm>
#include <csignal>

namespace jailsvc::service {
namespace {

bool holds_processes(State state) {
    return state == State::kStarting || state == State::kRunning || state == State::kReloading ||
           state == State::kStopping || state == State::kDone;
}

bool is_active(State state) {
    return holds_processes(state) && state != State::kStopping;
}

bool tells_ready(const config::Unit& unit) {
    return unit.service.type == config::ServiceType::kNotify ||
           unit.service.type == config::ServiceType::kNotifyFd;
}

bool is_forking(const config::Unit& unit) {
    return unit.service.type == config::ServiceType::kForking;
}

/// Starts again when what it requires is up again.
bool fell_with_another(const Entry& entry) {
    const Vitals& record = entry.record();
    return record.state == State::kFailed && record.wanted_up != 0 &&
           static_cast<JobOutcome>(record.outcome) == JobOutcome::kDependency;
}

const LaunchFailure kFailure{1, "core", "exec", "cannot execute"};

constexpr std::size_t kMaxAnswers = 200;

}  // namespace

Explorer::Explorer(std::vector<config::Unit> units, Alphabet alphabet, Table table)
    : units_(std::move(units)), alphabet_(alphabet), manager_(*this, *this, *this) {
    manager_.impl_->decide = table;
    (void)manager_.load(units_);
    for (const config::Unit& unit : units_) entries_.push_back(manager_.impl_->find(unit.name));
    sides_.resize(units_.size());
}

std::size_t Explorer::index(std::string_view unit) const {
    const auto found = std::ranges::find(units_, unit, &config::Unit::name);
    return static_cast<std::size_t>(found - units_.begin());
}

void Explorer::expect(bool holds, const std::string& what) {
    if (!holds && violation_.empty()) violation_ = what;
}

// The world.

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

// Jumping.

Explorer::Snapshot Explorer::save() const {
    Snapshot snapshot;
    for (const Entry* unit : entries_) snapshot.lives.push_back(unit->life);
    snapshot.sides = sides_;
    snapshot.open = open_;
    snapshot.next_token = manager_.impl_->next_token;
    snapshot.next_job = manager_.impl_->next_job;
    return snapshot;
}

void Explorer::jump(const Snapshot& to) {
    Manager::Impl& impl = *manager_.impl_;
    impl.tokens.clear();
    impl.active = 0;
    impl.next_token = to.next_token;
    impl.next_job = to.next_job;
    for (std::size_t unit = 0; unit < entries_.size(); ++unit) {
        entry(unit).life = to.lives[unit];
        const Vitals& record = entry(unit).record();
        entry(unit).told = record.state;
        if (!at_rest(entry(unit))) ++impl.active;
        if (record.main_token != 0) impl.tokens.add(record.main_token, entry(unit));
        if (record.adopted_token != 0) impl.tokens.add(record.adopted_token, entry(unit));
        if (record.control_token != 0) impl.tokens.add(record.control_token, entry(unit));
        if (record.check_token != 0) impl.tokens.add(record.check_token, entry(unit));
    }
    sides_ = to.sides;
    open_ = to.open;
}

/// What decides about the future, without names of tokens and jobs, texts and clocks.
std::string Explorer::canonical(bool with_jobs) const {
    std::string key;
    const auto put = [&](auto value) { key.push_back(static_cast<char>(value)); };
    for (std::size_t unit = 0; unit < entries_.size(); ++unit) {
        const Life& life = entry(unit).life;
        const Vitals& record = life.record;
        put(record.state);
        put(record.phase);
        put(record.after);
        put(record.want);
        put(record.ready | record.main_alive << 1 | record.failing << 2 | record.succeeded << 3 |
            (record.main_pid != 0) << 4 | (record.control_token != 0) << 5 |
            record.told_ready << 6 | (record.adopted_token != 0) << 7);
        put(record.told_stopping | record.listening << 1 | record.sockets << 2);
        put(record.control_token != 0 ? static_cast<int>(record.control_purpose) : 0);
        put(record.control_token != 0 ? record.control_index : 0);
        put(static_cast<int>(record.health) | record.check_late << 2 |
            (record.check_token != 0) << 3 | (record.bad_checks & 0xfU) << 4);
        put(record.skipped);
        put(record.recent_starts);
        put(fell_with_another(entry(unit)));
        const Side& side = sides_[unit];
        put(side.main);
        put(side.control);
        put(side.tearing | side.torn << 1 | side.late << 2 | side.said_ready << 3 |
            side.finding << 4 | side.adopted << 5 | side.open << 6 | side.awaited << 7);
        put((side.listen_token != 0) | side.closing << 1 | static_cast<int>(side.check) << 2 |
            side.check_killed << 4 | side.was_well << 5 | (side.condition_token != 0) << 6 |
            side.met << 7);
        put(side.timers & ~bit(TimerKind::kStable));  // which only forgives
        if (!with_jobs) continue;
        for (const Request what : {Request::kStart, Request::kStop, Request::kRestart}) {
            put(std::ranges::count(life.jobs, what, &Job::what));
        }
        put(life.reloads.size());
        put(life.next_reloads.size());
    }
    return key;
}

// Events.

void Explorer::ask(Request what, std::size_t unit) {
    // The number is needed before: the request may settle before it returns.
    const JobId next = manager_.impl_->next_job;
    open_.insert(next);
    const auto job = manager_.request(what, units_[unit].name);
    if (!job) open_.erase(next);
}

void Explorer::add_requests(std::vector<Move>& moves, std::size_t unit) {
    if (open_.size() >= alphabet_.max_open) return;
    const Life& life = entry(unit).life;
    const auto free = [&](Request what) {
        return !std::ranges::count(life.jobs, what, &Job::what);
    };
    if (free(Request::kStart)) {
        moves.push_back(
            {"start", unit, [](Explorer& self, std::size_t at) { self.ask(Request::kStart, at); }});
    }
    if (free(Request::kStop)) {
        moves.push_back(
            {"stop", unit, [](Explorer& self, std::size_t at) { self.ask(Request::kStop, at); }});
    }
    if (alphabet_.restart && free(Request::kRestart)) {
        moves.push_back({"restart", unit,
                         [](Explorer& self, std::size_t at) { self.ask(Request::kRestart, at); }});
    }
    const bool can_reload = !units_[unit].service.exec_reload.empty() && alphabet_.reload;
    if (can_reload && life.next_reloads.empty()) {
        moves.push_back({"reload", unit,
                         [](Explorer& self, std::size_t at) { self.ask(Request::kReload, at); }});
    }
}

void Explorer::main_ends(std::size_t unit, ExitInfo info) {
    Side& side = sides_[unit];
    side.late = side.main == Process::kLaunching;
    side.main = Process::kNone;
    const Token token = main_process(entry(unit).record());
    expect(manager_.on_exited(side.adopted ? token : side.main_token, info),
           "an exit that nobody knows");
}

/// The jail of what is made again goes the same way as its process.
void Explorer::interrupt_main(std::size_t unit) {
    Side& side = sides_[unit];
    const auto before = entry(unit).record();
    side.main = Process::kNone;
    side.torn = side.again = before.state == State::kStarting;
    (void)manager_.on_exited(side.main_token, {.code = 127, .executed = false});
    side.again = false;
    const auto& after = entry(unit).record();
    expect(after.restarts == before.restarts && after.recent_starts == before.recent_starts,
           units_[unit].name + ": an interrupted start was counted");
}

void Explorer::add_main(std::vector<Move>& moves, std::size_t unit) {
    Side& side = sides_[unit];
    if (side.late) {
        moves.push_back({"late start", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].late = false;
                             (void)self.manager_.on_started(self.sides_[at].main_token, 7, 5);
                         }});
        moves.push_back({"late failure", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].late = false;
                             (void)self.manager_.on_launch_failed(self.sides_[at].main_token,
                                                                  kFailure);
                         }});
    }
    if (side.main == Process::kNone) return;
    if (side.main == Process::kLaunching) {
        moves.push_back({"started", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].main = Process::kAlive;
                             (void)self.manager_.on_started(self.sides_[at].main_token, 7, 5);
                         }});
        if (alphabet_.launch_failure) {
            moves.push_back({"launch fails", unit, [](Explorer& self, std::size_t at) {
                                 self.sides_[at].main = Process::kNone;
                                 (void)self.manager_.on_launch_failed(self.sides_[at].main_token,
                                                                      kFailure);
                             }});
        }
        if (alphabet_.interrupted) {
            moves.push_back({"interrupted", unit,
                             [](Explorer& self, std::size_t at) { self.interrupt_main(at); }});
        }
        if (!alphabet_.late_answers) return;
    }
    moves.push_back(
        {"exit 1", unit, [](Explorer& self, std::size_t at) { self.main_ends(at, {.code = 1}); }});
    if (alphabet_.exit_clean) {
        moves.push_back({"exit 0", unit,
                         [](Explorer& self, std::size_t at) { self.main_ends(at, {.code = 0}); }});
    }
    if (alphabet_.exit_signal) {
        moves.push_back({"SIGSEGV", unit, [](Explorer& self, std::size_t at) {
                             self.main_ends(at, {.by_signal = true, .code = SIGSEGV});
                         }});
    }
}

void Explorer::tell(Told what, std::size_t unit) {
    if (what == Told::kReady) sides_[unit].said_ready = true;
    (void)manager_.on_told(units_[unit].name, what);
}

void Explorer::adopt(std::size_t unit) {
    Side& side = sides_[unit];
    side.finding = false;
    const Side before = side;
    side.main = Process::kAlive;  // it lives, whether it is of use or not
    side.adopted = true;
    if (!manager_.on_adopted(side.main_token, manager_.next_token(), 9)) side = before;
}

/// What services say of themselves, and what is found out for those that cannot.
void Explorer::add_told(std::vector<Move>& moves, std::size_t unit) {
    const Side& side = sides_[unit];
    if (side.finding) {
        moves.push_back({"found", unit, [](Explorer& self, std::size_t at) { self.adopt(at); }});
    }
    if (side.finding && alphabet_.launch_failure) {
        moves.push_back({"not found", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].finding = false;
                             self.manager_.on_daemon_missing(self.sides_[at].main_token, "is gone");
                         }});
    }
    const bool early = side.main == Process::kLaunching && alphabet_.late_answers;
    if (!tells_ready(units_[unit]) || (side.main != Process::kAlive && !early)) return;
    const State state = entry(unit).record().state;
    if (!side.said_ready || state == State::kReloading) {
        moves.push_back(
            {"ready", unit, [](Explorer& self, std::size_t at) { self.tell(Told::kReady, at); }});
    }
    if (!alphabet_.tells) return;
    moves.push_back({"says it reloads", unit,
                     [](Explorer& self, std::size_t at) { self.tell(Told::kReloading, at); }});
    moves.push_back({"says it stops", unit,
                     [](Explorer& self, std::size_t at) { self.tell(Told::kStopping, at); }});
    moves.push_back({"says it is ill", unit, [](Explorer& self, std::size_t at) {
                         self.tell(Told::kWatchdogTrigger, at);
                     }});
}

void Explorer::command_ends(std::size_t unit, int code) {
    sides_[unit].control = Process::kNone;
    (void)manager_.on_exited(sides_[unit].control_token, {.code = code});
}

void Explorer::add_control(std::vector<Move>& moves, std::size_t unit) {
    Side& side = sides_[unit];
    if (side.control == Process::kNone) return;
    moves.push_back({"command ends well", unit,
                     [](Explorer& self, std::size_t at) { self.command_ends(at, 0); }});
    moves.push_back(
        {"command exit 1", unit, [](Explorer& self, std::size_t at) { self.command_ends(at, 1); }});
    if (side.control != Process::kLaunching) return;
    if (alphabet_.interrupted) {
        moves.push_back({"command interrupted", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].control = Process::kNone;
                             // The first command makes the jail, which fell with it.
                             const Vitals& record = self.entry(at).record();
                             const bool first = record.state == State::kStarting &&
                                                record.phase == Phase::kPre &&
                                                record.control_index == 0;
                             Side& here = self.sides_[at];
                             here.torn = here.torn || first;
                             here.again = first;
                             (void)self.manager_.on_exited(here.control_token,
                                                           {.code = 127, .executed = false});
                             here.again = false;
                         }});
    }
    if (alphabet_.late_answers) {
        moves.push_back({"command started", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].control = Process::kAlive;
                             (void)self.manager_.on_started(self.sides_[at].control_token, 8, 5);
                         }});
    }
    if (alphabet_.launch_failure) {
        moves.push_back({"command fails", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].control = Process::kNone;
                             (void)self.manager_.on_launch_failed(self.sides_[at].control_token,
                                                                  kFailure);
                         }});
    }
}

void Explorer::fire(std::size_t unit, TimerKind kind) {
    sides_[unit].timers &= static_cast<std::uint8_t>(~bit(kind));
    manager_.on_timer(units_[unit].name, kind);
}

void Explorer::add_sockets(std::vector<Move>& moves, std::size_t unit) {
    const Side& side = sides_[unit];
    if (side.listen_token != 0) {
        moves.push_back({"listens", unit, [](Explorer& self, std::size_t at) {
                             Side& here = self.sides_[at];
                             // Closed again where nobody waits for it any more: the request to
                             // close came after that to open.
                             here.open = self.entry(at).record().control_token != 0;
                             (void)self.manager_.on_started(std::exchange(here.listen_token, 0), 0,
                                                            5);
                         }});
        moves.push_back({"cannot listen", unit, [](Explorer& self, std::size_t at) {
                             Side& here = self.sides_[at];
                             (void)self.manager_.on_launch_failed(
                                 std::exchange(here.listen_token, 0), kFailure);
                         }});
    }
    if (side.closing) {
        moves.push_back({"closed", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].open = self.sides_[at].closing = false;
                             self.manager_.on_sockets_closed(self.units_[at].name);
                         }});
    }
    if (!side.awaited) return;
    moves.push_back({"connection", unit, [](Explorer& self, std::size_t at) {
                         self.sides_[at].awaited = self.units_[at].is_target;
                         self.manager_.on_activated(self.units_[at].name);
                     }});
    moves.push_back({"sockets lost", unit, [](Explorer& self, std::size_t at) {
                         self.sides_[at].awaited = false;
                         self.manager_.on_activated(self.units_[at].name, "too many");
                     }});
}

void Explorer::add_rest(std::vector<Move>& moves, std::size_t unit) {
    if (sides_[unit].tearing) {
        moves.push_back({"torn down", unit, [](Explorer& self, std::size_t at) {
                             self.sides_[at].tearing = false;
                             self.sides_[at].torn = true;
                             self.manager_.on_torn_down(self.units_[at].name,
                                                        self.sides_[at].main_token);
                         }});
    }
    const auto armed = [&](TimerKind kind) { return (sides_[unit].timers & bit(kind)) != 0; };
    if (armed(TimerKind::kBackoff)) {
        moves.push_back({"delay over", unit, [](Explorer& self, std::size_t at) {
                             self.fire(at, TimerKind::kBackoff);
                         }});
    }
    if (alphabet_.timeouts && armed(TimerKind::kWatchdog)) {
        moves.push_back({"no ping", unit, [](Explorer& self, std::size_t at) {
                             self.fire(at, TimerKind::kWatchdog);
                         }});
    }
    if (armed(TimerKind::kStable)) {
        moves.push_back({"stable", unit, [](Explorer& self, std::size_t at) {
                             self.fire(at, TimerKind::kStable);
                         }});
    }
    if (alphabet_.timeouts && armed(TimerKind::kStartTimeout)) {
        moves.push_back({"start timeout", unit, [](Explorer& self, std::size_t at) {
                             self.fire(at, TimerKind::kStartTimeout);
                         }});
    }
    if (alphabet_.timeouts && armed(TimerKind::kStopTimeout)) {
        moves.push_back({"stop timeout", unit, [](Explorer& self, std::size_t at) {
                             self.fire(at, TimerKind::kStopTimeout);
                         }});
    }
}

std::string Explorer::tell(const Move& move) const {
    return std::string(move.name) + " " + units_[move.unit].name;
}

std::vector<Explorer::Move> Explorer::moves() {
    std::vector<Move> all;
    for (std::size_t unit = 0; unit < units_.size(); ++unit) {
        add_requests(all, unit);
        add_told(all, unit);
        add_checks(all, unit);
        add_main(all, unit);
        add_control(all, unit);
        add_conditions(all, unit);
        add_sockets(all, unit);
        add_rest(all, unit);
    }
    if (alphabet_.load) {
        all.push_back({"load", 0,
                       [](Explorer& self, std::size_t) { (void)self.manager_.load(self.units_); }});
    }
    return all;
}

// Invariants.

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

/// The world answers one thing, always to the good.
bool Explorer::answer_something() {
    for (std::size_t unit = 0; unit < units_.size(); ++unit) {
        std::vector<Move> answers;
        add_control(answers, unit);
        add_told(answers, unit);
        add_checks(answers, unit);
        add_main(answers, unit);
        add_conditions(answers, unit);
        add_sockets(answers, unit);
        const bool runs = is_up(entry(unit)) && entry(unit).record().state != State::kReloading &&
                          sides_[unit].control == Process::kNone;
        if (runs) answers.clear();
        add_rest(answers, unit);
        static constexpr std::string_view kGood[] = {
            "started", "command ends well", "exit 1", "torn down",  "delay over",     "ready",
            "found",   "listens",           "closed", "good check", "conditions hold"};
        const auto good = std::ranges::find_if(answers, [](const Move& move) {
            return std::ranges::find(kGood, std::string_view(move.name)) != std::end(kGood);
        });
        if (good == answers.end()) continue;
        const bool ends = units_[unit].service.type == config::ServiceType::kOneshot ||
                          (is_forking(units_[unit]) && !sides_[unit].adopted);
        const bool works = ends && entry(unit).record().state == State::kStarting;
        if (works && good->name == std::string_view("exit 1")) {
            main_ends(unit, {.code = 0});
        } else {
            good->act(*this, unit);
        }
        return true;
    }
    return false;
}

void Explorer::check_settles() {
    const Snapshot here = save();
    std::size_t answers = 0;
    while (answers < kMaxAnswers && answer_something()) ++answers;
    expect(answers < kMaxAnswers, "never comes to rest");
    expect(open_.empty(), "a request never settles");
    jump(here);
}

Exploration Explorer::run(std::size_t max_states) {
    Exploration result;
    std::vector<Snapshot> states{save()};
    std::unordered_set<std::string> seen{canonical(true)};
    const auto stop_at = [&](std::size_t at, const std::string& event) {
        result.violation = violation_;
        result.path = {event};
        for (; at != 0; at = states[at].parent) result.path.push_back(tell(states[at].event));
        std::ranges::reverse(result.path);
    };
    for (std::size_t head = 0; head < states.size(); ++head) {
        jump(states[head]);
        if (head % alphabet_.settle_every == 0) check_settles();
        if (head % alphabet_.restore_every == 0) {
            check_restore();
            ++result.restored;
        }
        if (!violation_.empty()) {
            stop_at(head, "(here)");
            break;
        }
        std::vector<State> before;
        for (const Entry* unit : entries_) before.push_back(unit->record().state);
        for (const Move& move : moves()) {
            move.act(*this, move.unit);
            ++result.transitions;
            check(before, move.name);
            if (!violation_.empty()) {
                stop_at(head, tell(move));
                result.states = states.size();
                return result;
            }
            if (seen.insert(canonical(true)).second) {
                if (states.size() >= max_states) {
                    result.complete = false;
                } else {
                    states.push_back(save());
                    states.back().parent = head;
                    states.back().event = move;
                }
            }
            jump(states[head]);
        }
        // Only the way here is still of use.
        states[head].lives.clear();
        states[head].lives.shrink_to_fit();
        states[head].sides.clear();
        states[head].sides.shrink_to_fit();
    }
    result.states = states.size();
    return result;
}

}  // namespace jailsvc::service
