// Everything that may happen next in a state.

#include <algorithm>
#include <csignal>

#include "explorer_parts.hpp"

namespace jailsvc::service {
namespace {

const LaunchFailure kFailure{1, "core", "exec", "cannot execute"};

}  // namespace

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

}  // namespace jailsvc::service
