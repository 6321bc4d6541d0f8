#include "service/transitions.hpp"

namespace jailsvc::service {
namespace {

/// A stop of a unit that is up: exec_stop has the first word. A target has nothing to stop.
Step shut_down(const Facts& facts, State after, Actions before) {
    if (facts.target) return {after, Phase::kNone, State::kInactive, before};
    if (!facts.has_stop) return wind_down(facts, after, before);
    before = unchecked(facts, before);
    before.add({Action::kArmStop, Action::kLaunchStop});
    return {State::kStopping, Phase::kStopCommand, after, before};
}

/// A main process that ended while the unit was up.
Step lost(const Facts& facts, Actions before) {
    before.add({Action::kDisarmStable, Action::kDisarmWatchdog});
    if (!facts.clean) before.add(Action::kBlame);
    return wind_down(facts, ended(facts), before);
}

/// Said that it stops, and did not.
Step overdue(const Facts& facts, Actions before) {
    before = unchecked(facts, before);
    before.add({Action::kDisarmStable, Action::kDisarmWatchdog, Action::kBlame, Action::kKillAll,
                Action::kArmStop});
    return {State::kStopping, Phase::kKill, fallen(facts), before};
}

/// Told to end for it; exec_stop might hang as the service does.
Step fail_health(const Facts& facts, Actions before) {
    before.add(Action::kBlame);
    return wind_down(facts, fallen(facts), before);
}

Step back_up(Action outcome) {
    return {State::kRunning, Phase::kNone, State::kInactive, {Action::kDisarmStart, outcome}};
}

}  // namespace

Step while_up(State state, Event event, const Facts& facts) {
    const bool running = state == State::kRunning;
    Actions leave;
    if (running) leave.add({Action::kDisarmStable, Action::kDisarmWatchdog});
    switch (event) {
        case Event::kStop:
            return shut_down(facts, State::kInactive, leave);
        case Event::kDependencyFailed:
            leave.add(Action::kBlame);
            return shut_down(facts, State::kFailed, leave);
        case Event::kReload:
            if (!running || !facts.has_reload) return stay(state, facts);
            return {State::kReloading,
                    Phase::kNone,
                    State::kInactive,
                    {Action::kArmStart, Action::kLaunchReload}};
        case Event::kReloadingTold:
            if (!running) return stay(state, facts);
            return {State::kReloading, Phase::kNone, State::kInactive, {Action::kArmStart}};
        case Event::kStoppingTold:
            return running ? stay(state, facts, {Action::kArmStop}) : stay(state, facts);
        case Event::kStopTimeout:
            return running ? overdue(facts, {}) : stay(state, facts);
        case Event::kWatchdog:
            return running ? shoot_down(facts, leave) : stay(state, facts);
        case Event::kUnhealthy:
            return running ? fail_health(facts, leave) : stay(state, facts);
        case Event::kMainExited:
            return running ? lost(facts, {}) : stay(state, facts);
        case Event::kStable:
            return running ? stay(state, facts, {Action::kForgive}) : stay(state, facts);
        case Event::kStart:
        case Event::kWait:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kNotExecuted:
        case Event::kCommandDone:
        case Event::kCommandFailed:
        case Event::kTornDown:
        case Event::kStartTimeout:
        case Event::kBackoffOver:
        case Event::kActivated:
        case Event::kSocketsLost:
        case Event::kReady:
        case Event::kHealthy:
        case Event::kClosed:
            return stay(state, facts);
    }
    return stay(state, facts);
}

Step while_reloading(Event event, const Facts& facts) {
    // Without a command of ours the service reloads by itself: nobody has to wait for that.
    const Actions leave{Action::kDisarmStart, Action::kDisarmStable, Action::kDisarmWatchdog};
    switch (event) {
        case Event::kMainExited:
            return lost(facts, {Action::kDisarmStart});
        case Event::kCommandDone:
            if (!facts.last_command) return stay(State::kReloading, facts, {Action::kLaunchNext});
            return back_up(Action::kReloaded);
        case Event::kCommandFailed:
            return back_up(Action::kReloadFailed);
        case Event::kReady:
            return facts.control_alive ? stay(State::kReloading, facts)
                                       : back_up(Action::kReloaded);
        case Event::kStartTimeout:
            if (!facts.control_alive) return back_up(Action::kReloadFailed);
            // Armed again: the command may not have been there yet to be killed.
            return stay(State::kReloading, facts, {Action::kKillCommand, Action::kArmStart});
        case Event::kStop:
            if (facts.control_alive) return stay(State::kReloading, facts);
            return shut_down(facts, State::kInactive, leave);
        case Event::kDependencyFailed: {
            if (facts.control_alive) return stay(State::kReloading, facts);
            Actions blame = leave;
            blame.add(Action::kBlame);
            return shut_down(facts, State::kFailed, blame);
        }
        case Event::kStoppingTold:
            return stay(State::kReloading, facts, {Action::kArmStop});
        case Event::kStopTimeout:
            return overdue(facts, {Action::kDisarmStart});
        case Event::kWatchdog:
            return shoot_down(facts, leave);
        case Event::kUnhealthy:
            return fail_health(facts, leave);
        case Event::kStable:
            return stay(State::kReloading, facts, {Action::kForgive});
        case Event::kStart:
        case Event::kWait:
        case Event::kReload:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kNotExecuted:
        case Event::kTornDown:
        case Event::kBackoffOver:
        case Event::kActivated:
        case Event::kSocketsLost:
        case Event::kReloadingTold:
        case Event::kHealthy:
        case Event::kClosed:
            return stay(State::kReloading, facts);
    }
    return stay(State::kReloading, facts);
}

}  // namespace jailsvc::service
