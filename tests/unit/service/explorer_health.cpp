// The explorer's part in health checks and conditions: what the world may answer, and what holds.
#include <utility>

#include "explorer_parts.hpp"

namespace jailsvc::service {

/// No check without a service that it could be about, and one at a time.
void Explorer::check_launched(const LaunchRequest& request) {
    const std::size_t unit = index(request.unit);
    Side& side = sides_[unit];
    const std::string& name = units_[unit].name;
    if (resuming_) {
        return expect(side.check_token == request.token, name + ": resume makes another check");
    }
    expect(side.check == Process::kNone || side.check_killed, name + ": two checks at once");
    expect(side.main == Process::kAlive, name + ": checked without its process");
    const Vitals& record = entry(unit).record();
    const bool by_health = units_[unit].readiness->ready == config::Ready::kHealth;
    expect(is_up(entry(unit)) || record.phase == Phase::kAwaitHealth ||
               (by_health && record.phase == Phase::kPost),
           name + ": checked though it is not up");
    side.check = Process::kLaunching;
    side.check_token = request.token;
    side.check_killed = false;
}

void Explorer::health_changed(std::string_view unit, Health before, Health now,
                              const std::string& reason) {
    expect(before != now, std::string(unit) + ": its health changed to what it was");
    expect(now != Health::kUnhealthy || !reason.empty(),
           std::string(unit) + ": does not say why it is unhealthy");
}

void Explorer::check_ends(std::size_t unit, int code) {
    Side& side = sides_[unit];
    side.check = Process::kNone;
    side.was_well = side.was_well || (code == 0 && !side.check_killed);
    (void)manager_.on_exited(side.check_token, {.code = code});
}

void Explorer::add_checks(std::vector<Move>& moves, std::size_t unit) {
    const Side& side = sides_[unit];
    const bool armed = (side.timers & bit(TimerKind::kHealth)) != 0;
    const bool runs = side.check != Process::kNone;
    if (armed && !runs) {
        moves.push_back({"check due", unit, [](Explorer& self, std::size_t at) {
                             self.fire(at, TimerKind::kHealth);
                         }});
    }
    if (runs) {
        moves.push_back(
            {"good check", unit, [](Explorer& self, std::size_t at) { self.check_ends(at, 0); }});
    }
    if (!alphabet_.checks || !runs) return;
    moves.push_back(
        {"bad check", unit, [](Explorer& self, std::size_t at) { self.check_ends(at, 1); }});
    if (armed) {
        moves.push_back({"check late", unit, [](Explorer& self, std::size_t at) {
                             self.fire(at, TimerKind::kHealth);
                         }});
    }
    if (side.check != Process::kLaunching || !alphabet_.late_answers) return;
    moves.push_back({"check started", unit, [](Explorer& self, std::size_t at) {
                         self.sides_[at].check = Process::kAlive;
                         (void)self.manager_.on_started(self.sides_[at].check_token, 8, 5);
                     }});
    moves.push_back({"check not made", unit, [](Explorer& self, std::size_t at) {
                         self.sides_[at].check = Process::kNone;
                         (void)self.manager_.on_launch_failed(self.sides_[at].check_token,
                                                              {1, "core", "jail", "is frozen"});
                     }});
    moves.push_back({"check interrupted", unit, [](Explorer& self, std::size_t at) {
                         self.sides_[at].check = Process::kNone;
                         (void)self.manager_.on_exited(self.sides_[at].check_token,
                                                       {.code = 127, .executed = false});
                     }});
}

void Explorer::conditions_do_not_hold(std::size_t unit, const char* operation) {
    (void)manager_.on_launch_failed(std::exchange(sides_[unit].condition_token, 0),
                                    {0, "core", operation, "it does not hold"});
}

void Explorer::add_conditions(std::vector<Move>& moves, std::size_t unit) {
    if (sides_[unit].condition_token == 0) return;
    moves.push_back({"conditions hold", unit, [](Explorer& self, std::size_t at) {
                         Side& here = self.sides_[at];
                         here.met = self.entry(at).record().phase == Phase::kCondition;
                         (void)self.manager_.on_started(std::exchange(here.condition_token, 0), 0,
                                                        5);
                     }});
    moves.push_back({"condition does not hold", unit, [](Explorer& self, std::size_t at) {
                         self.conditions_do_not_hold(at, "condition");
                     }});
    moves.push_back({"assertion does not hold", unit, [](Explorer& self, std::size_t at) {
                         self.conditions_do_not_hold(at, "assertion");
                     }});
    moves.push_back({"conditions not seen", unit, [](Explorer& self, std::size_t at) {
                         self.conditions_do_not_hold(at, "unit");
                     }});
}

/// Checked is who is up, or waits for a good check, and nobody else; who is to be restarted when
/// unhealthy is not both unhealthy and up.
void Explorer::check_health(std::size_t unit) {
    const Vitals& record = entry(unit).record();
    const std::string& name = units_[unit].name;
    const Side& side = sides_[unit];
    const bool up = record.state == State::kRunning || record.state == State::kReloading;
    const bool waits = record.state == State::kStarting && record.phase == Phase::kAwaitHealth;
    const bool after_wait = record.state == State::kStarting && record.phase == Phase::kPost;
    const bool by_health = units_[unit].readiness->ready == config::Ready::kHealth;
    expect(!up || !by_health || side.was_well, name + ": is up, and no check was ever good");
    if (!units_[unit].health->present() || !(up || waits || (after_wait && by_health))) {
        expect(record.health == Health::kNone, name + ": is checked though it is not up");
        expect((side.timers & bit(TimerKind::kHealth)) == 0, name + ": will be checked");
        expect(side.check == Process::kNone || side.check_killed,
               name + ": a check of it goes on though it is not up");
        return;
    }
    expect(record.health != Health::kNone, name + ": is not checked");
    expect((side.timers & bit(TimerKind::kHealth)) != 0, name + ": no further check will come");
    const bool restarts = units_[unit].health->on_unhealthy == config::OnUnhealthy::kRestart;
    expect(record.health != Health::kUnhealthy || !restarts || goes_down(entry(unit)),
           name + ": is unhealthy, and goes on");
}

}  // namespace jailsvc::service
