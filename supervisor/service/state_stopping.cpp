#include "service/transitions.hpp"

namespace jailsvc::service {
namespace {

Step go_on_if_empty(const Facts& facts) {
    if (facts.main_alive || facts.control_alive) return stay(State::kStopping, facts);
    return clear_away(facts, facts.after);
}

/// A launch was answered after the signals went out: they may have missed it.
Step tell_again(const Facts& facts) {
    switch (facts.phase) {
        case Phase::kTerminate:
            return stay(State::kStopping, facts, {Action::kTerminate});
        case Phase::kKill:
            return stay(State::kStopping, facts, {Action::kKillAll});
        case Phase::kNone:
        case Phase::kPre:
        case Phase::kMain:
        case Phase::kAwaitReady:
        case Phase::kAwaitHealth:
        case Phase::kPost:
        case Phase::kStopCommand:
        case Phase::kStopPost:
        case Phase::kTeardown:
        case Phase::kListen:
        case Phase::kCondition:
        case Phase::kClose:
            return stay(State::kStopping, facts);
    }
    return stay(State::kStopping, facts);
}

Step main_gone(const Facts& facts) {
    switch (facts.phase) {
        case Phase::kTerminate:
        case Phase::kKill:
            return go_on_if_empty(facts);
        case Phase::kNone:
        case Phase::kPre:
        case Phase::kMain:
        case Phase::kAwaitReady:
        case Phase::kAwaitHealth:
        case Phase::kPost:
        case Phase::kStopCommand:  // which goes on; it ends the list itself
        case Phase::kStopPost:
        case Phase::kTeardown:
        case Phase::kListen:
        case Phase::kCondition:
        case Phase::kClose:
            return stay(State::kStopping, facts);
    }
    return stay(State::kStopping, facts);
}

Step command_ended(const Facts& facts, bool well) {
    const bool next = well && !facts.last_command;
    switch (facts.phase) {
        case Phase::kStopCommand:
            if (next) return stay(State::kStopping, facts, {Action::kLaunchNext});
            if (!facts.main_alive) return clear_away(facts, facts.after);
            return {State::kStopping, Phase::kTerminate, facts.after, {Action::kTerminate}};
        case Phase::kTerminate:
        case Phase::kKill:
            return go_on_if_empty(facts);
        case Phase::kStopPost:
            if (next) return stay(State::kStopping, facts, {Action::kLaunchNext});
            return {State::kStopping,
                    Phase::kTeardown,
                    facts.after,
                    {Action::kDisarmStop, Action::kTeardown}};
        case Phase::kNone:
        case Phase::kPre:
        case Phase::kMain:
        case Phase::kAwaitReady:
        case Phase::kAwaitHealth:
        case Phase::kPost:
        case Phase::kTeardown:
        case Phase::kListen:
        case Phase::kCondition:
        case Phase::kClose:
            return stay(State::kStopping, facts);
    }
    return stay(State::kStopping, facts);
}

Step timed_out(const Facts& facts) {
    switch (facts.phase) {
        case Phase::kStopCommand:
        case Phase::kTerminate: {
            Actions actions{Action::kKillAll, Action::kArmStop};
            if (facts.after != State::kInactive) {
                return {State::kStopping, Phase::kKill, facts.after, actions};
            }
            actions.add(Action::kBlame);
            return {State::kStopping, Phase::kKill, State::kFailed, actions};
        }
        case Phase::kKill:
            // Uninterruptible, or not there yet when the signal came. Nothing else can be done.
            return stay(State::kStopping, facts, {Action::kKillAll, Action::kArmStop});
        case Phase::kStopPost:
            return stay(State::kStopping, facts, {Action::kKillCommand, Action::kArmStop});
        case Phase::kNone:
        case Phase::kPre:
        case Phase::kMain:
        case Phase::kAwaitReady:
        case Phase::kAwaitHealth:
        case Phase::kPost:
        case Phase::kTeardown:
        case Phase::kListen:
        case Phase::kCondition:
        case Phase::kClose:
            return stay(State::kStopping, facts);
    }
    return stay(State::kStopping, facts);
}

/// A stop or failure that comes while it goes down decides against the restart.
Step divert(const Facts& facts, State after, Actions actions) {
    if (facts.after != State::kBackoff && facts.after != State::kListening) {
        return stay(State::kStopping, facts);
    }
    return {State::kStopping, facts.phase, after, actions};
}

Step torn_down(const Facts& facts) {
    if (facts.phase != Phase::kTeardown) return stay(State::kStopping, facts);
    Actions actions;
    if (facts.after == State::kBackoff) actions.add(Action::kArmBackoff);
    if (facts.after == State::kListening) actions.add({Action::kListens, Action::kAwait});
    return {facts.after, Phase::kNone, State::kInactive, actions};
}

}  // namespace

Step while_stopping(Event event, const Facts& facts) {
    switch (event) {
        case Event::kStop:
            return divert(facts, State::kInactive, {});
        case Event::kDependencyFailed:
            return divert(facts, State::kFailed, {Action::kBlame});
        case Event::kStarted:
            return tell_again(facts);
        case Event::kLaunchFailed:
        case Event::kMainExited:
        case Event::kNotExecuted:
            return main_gone(facts);
        case Event::kCommandDone:
            return command_ended(facts, true);
        case Event::kCommandFailed:
            return command_ended(facts, false);
        case Event::kTornDown:
            return torn_down(facts);
        case Event::kClosed:
            if (facts.phase != Phase::kClose) return stay(State::kStopping, facts);
            return {facts.after, Phase::kNone, State::kInactive, {}};
        case Event::kStopTimeout:
            return timed_out(facts);
        case Event::kStart:
        case Event::kWait:
        case Event::kReload:
        case Event::kReset:
        case Event::kStartTimeout:
        case Event::kBackoffOver:
        case Event::kStable:
        case Event::kActivated:
        case Event::kSocketsLost:
        case Event::kReady:
        case Event::kReloadingTold:
        case Event::kStoppingTold:
        case Event::kWatchdog:
        case Event::kHealthy:
        case Event::kUnhealthy:
            return stay(State::kStopping, facts);
    }
    return stay(State::kStopping, facts);
}

}  // namespace jailsvc::service
