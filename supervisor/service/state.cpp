#include "service/state.hpp"

#include "service/transitions.hpp"

namespace jailsvc::service {

namespace {

Step step_by_state(State state, Event event, const Facts& facts) {
    switch (state) {
        case State::kInactive:
        case State::kFailed:
        case State::kWaiting:
        case State::kBackoff:
            return while_idle(state, event, facts);
        case State::kStarting:
            return while_starting(event, facts);
        case State::kRunning:
        case State::kDone:
            return while_up(state, event, facts);
        case State::kReloading:
            return while_reloading(event, facts);
        case State::kStopping:
            return while_stopping(event, facts);
        case State::kListening:
            return while_listening(event, facts);
    }
    return stay(state, facts);
}

bool rests(State state) {
    return state == State::kInactive || state == State::kFailed;
}

}  // namespace

Step step(State state, Event event, const Facts& facts) {
    Step taken = step_by_state(state, event, facts);
    const bool comes_to_rest = rests(taken.next) && !rests(state) && event != Event::kClosed;
    if (!facts.has_sockets || !comes_to_rest) return taken;
    taken.actions.add(Action::kCloseSockets);
    return {State::kStopping, Phase::kClose, taken.next, taken.actions};
}

Step begin(const Facts& facts, Actions before) {
    before.add(Action::kAdopt);
    if (!facts.conditions) return begin_met(facts, before);
    before.add({Action::kArmStart, Action::kLookAtConditions});
    return {State::kStarting, Phase::kCondition, State::kInactive, before};
}

Step begin_met(const Facts& facts, Actions before) {
    if (facts.on_demand && !facts.listening && !facts.opens) {
        before.add({Action::kListens, Action::kAwait});
        return {State::kListening, Phase::kNone, State::kInactive, before};
    }
    if (facts.on_demand && !facts.listening) {
        before.add({Action::kArmStart, Action::kLaunchListen});
        return {State::kStarting, Phase::kListen, State::kInactive, before};
    }
    if (facts.target) {
        before.add(Action::kReady);
        return {State::kDone, Phase::kNone, State::kInactive, before};
    }
    before.add({Action::kNewMain, Action::kArmStart});
    before.add(facts.has_pre ? Action::kLaunchPre : Action::kLaunchMain);
    return {State::kStarting, facts.has_pre ? Phase::kPre : Phase::kMain, State::kInactive, before};
}

Actions unchecked(const Facts& facts, Actions before) {
    if (facts.checks) before.add(Action::kEndChecks);
    return before;
}

Step wind_down(const Facts& facts, State after, Actions before) {
    before = unchecked(facts, before);
    if (!facts.main_alive && !facts.control_alive) return clear_away(facts, after, before);
    before.add({Action::kArmStop, Action::kTerminate});
    return {State::kStopping, Phase::kTerminate, after, before};
}

Step shoot_down(const Facts& facts, Actions before) {
    before = unchecked(facts, before);
    before.add(Action::kBlame);
    if (!facts.main_alive && !facts.control_alive) return clear_away(facts, fallen(facts), before);
    before.add({Action::kArmStop, Action::kAbort});
    return {State::kStopping, Phase::kTerminate, fallen(facts), before};
}

Step clear_away(const Facts& facts, State after, Actions before) {
    if (facts.sweep) before.add(Action::kKillAll);
    if (facts.has_stop_post) {
        before.add({Action::kArmStop, Action::kLaunchStopPost});
        return {State::kStopping, Phase::kStopPost, after, before};
    }
    before.add({Action::kDisarmStop, Action::kTeardown});
    return {State::kStopping, Phase::kTeardown, after, before};
}

namespace {

Step idle(State next, Actions actions = {}) {
    return {next, Phase::kNone, State::kInactive, actions};
}

Step delay_over(const Facts& facts) {
    if (facts.limit) return idle(State::kFailed, {Action::kBlame});
    if (facts.may_start) return begin(facts, {Action::kCountRestart});
    return idle(State::kWaiting, {Action::kCountRestart});
}

}  // namespace

Step while_idle(State state, Event event, const Facts& facts) {
    const bool rests = state == State::kInactive || state == State::kFailed;
    Actions leave;  // what waits, before anything else
    if (state == State::kBackoff) leave.add(Action::kDisarmBackoff);
    switch (event) {
        case Event::kStart:
            return begin(facts, leave);
        case Event::kWait:
            return idle(State::kWaiting, leave);
        case Event::kStop:
            return rests ? stay(state, facts) : idle(State::kInactive, leave);
        case Event::kDependencyFailed:
            leave.add(Action::kBlame);
            return idle(State::kFailed, leave);
        case Event::kReset:
            return rests ? idle(State::kInactive) : stay(state, facts);
        case Event::kBackoffOver:
            return state == State::kBackoff ? delay_over(facts) : stay(state, facts);
        case Event::kReload:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kMainExited:
        case Event::kNotExecuted:
        case Event::kCommandDone:
        case Event::kCommandFailed:
        case Event::kTornDown:
        case Event::kStartTimeout:
        case Event::kStopTimeout:
        case Event::kStable:
        case Event::kActivated:
        case Event::kSocketsLost:
        case Event::kReady:
        case Event::kReloadingTold:
        case Event::kStoppingTold:
        case Event::kWatchdog:
        case Event::kHealthy:
        case Event::kUnhealthy:
        case Event::kClosed:
            return stay(state, facts);
    }
    return stay(state, facts);
}

}  // namespace jailsvc::service
