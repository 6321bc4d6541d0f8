#include "service/state.hpp"

#include "service/transitions.hpp"

namespace jailsvc::service {

Step step(State state, Event event, const Facts& facts) {
    switch (state) {
        case State::kInactive:
        case State::kFailed:
            return at_rest(state, event, facts);
        case State::kWaiting:
            return while_waiting(event, facts);
        case State::kStarting:
            return while_starting(event, facts);
        case State::kRunning:
            return while_running(event, facts);
        case State::kReloading:
            return while_reloading(event, facts);
        case State::kStopping:
            return while_stopping(event, facts);
        case State::kBackoff:
            return while_backoff(event, facts);
        case State::kDone:
            return while_done(event, facts);
    }
    return stay(state, facts);
}

Step begin(const Facts& facts, Actions before) {
    if (facts.target) {
        before.add({Action::kAdopt, Action::kReady});
        return {State::kDone, Phase::kNone, State::kInactive, before};
    }
    before.add({Action::kAdopt, Action::kNewMain, Action::kArmStart});
    before.add(facts.has_pre ? Action::kLaunchPre : Action::kLaunchMain);
    return {State::kStarting, facts.has_pre ? Phase::kPre : Phase::kMain, State::kInactive, before};
}

Step wind_down(const Facts& facts, State after, Actions before) {
    if (!facts.main_alive && !facts.control_alive) return clear_away(facts, after, before);
    before.add({Action::kArmStop, Action::kTerminate});
    return {State::kStopping, Phase::kTerminate, after, before};
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

Step at_rest(State state, Event event, const Facts& facts) {
    switch (event) {
        case Event::kStart:
            return begin(facts);
        case Event::kWait:
            return {State::kWaiting, Phase::kNone, State::kInactive, {}};
        case Event::kDependencyFailed:
            return {State::kFailed, Phase::kNone, State::kInactive, {Action::kBlame}};
        case Event::kReset:
            return {State::kInactive, Phase::kNone, State::kInactive, {}};
        case Event::kStop:
        case Event::kReload:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kMainExited:
        case Event::kCommandDone:
        case Event::kCommandFailed:
        case Event::kTornDown:
        case Event::kStartTimeout:
        case Event::kStopTimeout:
        case Event::kBackoffOver:
        case Event::kStable:
            return stay(state, facts);
    }
    return stay(state, facts);
}

Step while_waiting(Event event, const Facts& facts) {
    switch (event) {
        case Event::kStart:
            return begin(facts);
        case Event::kStop:
            return {State::kInactive, Phase::kNone, State::kInactive, {}};
        case Event::kDependencyFailed:
            return {State::kFailed, Phase::kNone, State::kInactive, {Action::kBlame}};
        case Event::kWait:
        case Event::kReload:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kMainExited:
        case Event::kCommandDone:
        case Event::kCommandFailed:
        case Event::kTornDown:
        case Event::kStartTimeout:
        case Event::kStopTimeout:
        case Event::kBackoffOver:
        case Event::kStable:
            return stay(State::kWaiting, facts);
    }
    return stay(State::kWaiting, facts);
}

Step while_backoff(Event event, const Facts& facts) {
    switch (event) {
        case Event::kStart:
            return begin(facts, {Action::kDisarmBackoff});
        case Event::kWait:
            return {State::kWaiting, Phase::kNone, State::kInactive, {Action::kDisarmBackoff}};
        case Event::kStop:
            return {State::kInactive, Phase::kNone, State::kInactive, {Action::kDisarmBackoff}};
        case Event::kDependencyFailed:
            return {State::kFailed,
                    Phase::kNone,
                    State::kInactive,
                    {Action::kDisarmBackoff, Action::kBlame}};
        case Event::kBackoffOver:
            if (facts.limit) {
                return {State::kFailed, Phase::kNone, State::kInactive, {Action::kBlame}};
            }
            if (facts.may_start) return begin(facts, {Action::kCountRestart});
            return {State::kWaiting, Phase::kNone, State::kInactive, {Action::kCountRestart}};
        case Event::kReload:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kMainExited:
        case Event::kCommandDone:
        case Event::kCommandFailed:
        case Event::kTornDown:
        case Event::kStartTimeout:
        case Event::kStopTimeout:
        case Event::kStable:
            return stay(State::kBackoff, facts);
    }
    return stay(State::kBackoff, facts);
}

}  // namespace jailsvc::service
