#include "service/transitions.hpp"

namespace jailsvc::service {
namespace {

/// A stop of a unit that is up: exec_stop has the first word.
Step shut_down(const Facts& facts, State after, Actions before) {
    if (!facts.has_stop) return wind_down(facts, after, before);
    before.add({Action::kArmStop, Action::kLaunchStop});
    return {State::kStopping, Phase::kStopCommand, after, before};
}

/// A main process that ended while the unit was up.
Step lost(const Facts& facts, Actions before) {
    before.add(Action::kDisarmStable);
    if (!facts.clean) before.add(Action::kBlame);
    return wind_down(facts, ended(facts), before);
}

}  // namespace

Step while_running(Event event, const Facts& facts) {
    switch (event) {
        case Event::kStop:
            return shut_down(facts, State::kInactive, {Action::kDisarmStable});
        case Event::kDependencyFailed:
            return shut_down(facts, State::kFailed, {Action::kDisarmStable, Action::kBlame});
        case Event::kReload:
            if (!facts.has_reload) return stay(State::kRunning, facts);
            return {State::kReloading,
                    Phase::kNone,
                    State::kInactive,
                    {Action::kArmStart, Action::kLaunchReload}};
        case Event::kMainExited:
            return lost(facts, {});
        case Event::kStable:
            return stay(State::kRunning, facts, {Action::kForgive});
        case Event::kStart:
        case Event::kWait:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kCommandDone:
        case Event::kCommandFailed:
        case Event::kTornDown:
        case Event::kStartTimeout:
        case Event::kStopTimeout:
        case Event::kBackoffOver:
            return stay(State::kRunning, facts);
    }
    return stay(State::kRunning, facts);
}

Step while_reloading(Event event, const Facts& facts) {
    switch (event) {
        case Event::kMainExited:
            return lost(facts, {Action::kDisarmStart});
        case Event::kCommandDone:
            if (!facts.last_command) return stay(State::kReloading, facts, {Action::kLaunchNext});
            return {State::kRunning,
                    Phase::kNone,
                    State::kInactive,
                    {Action::kDisarmStart, Action::kReloaded}};
        case Event::kCommandFailed:
            return {State::kRunning,
                    Phase::kNone,
                    State::kInactive,
                    {Action::kDisarmStart, Action::kReloadFailed}};
        case Event::kStartTimeout:
            // Armed again: the command may not have been there yet to be killed.
            return stay(State::kReloading, facts, {Action::kKillCommand, Action::kArmStart});
        case Event::kStable:
            return stay(State::kReloading, facts, {Action::kForgive});
        case Event::kStart:
        case Event::kWait:
        case Event::kStop:
        case Event::kDependencyFailed:
        case Event::kReload:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kTornDown:
        case Event::kStopTimeout:
        case Event::kBackoffOver:
            return stay(State::kReloading, facts);
    }
    return stay(State::kReloading, facts);
}

Step while_done(Event event, const Facts& facts) {
    switch (event) {
        case Event::kStop:
            if (facts.target) return {State::kInactive, Phase::kNone, State::kInactive, {}};
            return shut_down(facts, State::kInactive, {});
        case Event::kDependencyFailed:
            if (facts.target) {
                return {State::kFailed, Phase::kNone, State::kInactive, {Action::kBlame}};
            }
            return shut_down(facts, State::kFailed, {Action::kBlame});
        case Event::kStart:
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
            return stay(State::kDone, facts);
    }
    return stay(State::kDone, facts);
}

}  // namespace jailsvc::service
