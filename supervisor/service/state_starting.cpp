#include "service/transitions.hpp"

namespace jailsvc::service {
namespace {

Step up(const Facts& facts) {
    Actions actions{Action::kReady, Action::kDisarmStart, Action::kArmStable, Action::kArmWatchdog};
    if (facts.checks) actions.add(Action::kBeginChecks);
    return {State::kRunning, Phase::kNone, State::kInactive, actions};
}

/// Everything of a oneshot has ended well.
Step through(const Facts& facts) {
    if (facts.remain) {
        return {
            State::kDone, Phase::kNone, State::kInactive, {Action::kReady, Action::kDisarmStart}};
    }
    return clear_away(facts, resting_place(facts), {Action::kDisarmStart, Action::kSucceeded});
}

/// The main program has done what exec_start_post waits for.
Step after_main(const Facts& facts) {
    if (facts.has_post) {
        return {State::kStarting, Phase::kPost, State::kInactive, {Action::kLaunchPost}};
    }
    return facts.oneshot ? through(facts) : up(facts);
}

/// It has said that it is ready, or need not.
Step after_ready(const Facts& facts) {
    if (!facts.ready_by_health) return after_main(facts);
    return {State::kStarting, Phase::kAwaitHealth, State::kInactive, {Action::kBeginChecks}};
}

Step fall(const Facts& facts) {
    return wind_down(facts, fallen(facts), {Action::kDisarmStart, Action::kBlame});
}

Step executed(const Facts& facts) {
    if (facts.phase != Phase::kMain || facts.oneshot) return stay(State::kStarting, facts);
    if (facts.forking || (facts.tells_ready && !facts.told_ready)) {
        return {State::kStarting, Phase::kAwaitReady, State::kInactive, {}};
    }
    return after_ready(facts);
}

/// Of a service with a daemon: the program that leaves it behind, as long as none is known.
bool is_launcher(const Facts& facts) {
    return facts.forking && !facts.adopted &&
           (facts.phase == Phase::kMain || facts.phase == Phase::kAwaitReady);
}

Step main_exited(const Facts& facts) {
    if (facts.oneshot) return facts.clean ? after_main(facts) : fall(facts);
    if (is_launcher(facts)) {
        if (!facts.clean) return fall(facts);
        return {State::kStarting, Phase::kAwaitReady, State::kInactive, {Action::kFindDaemon}};
    }
    // Its exit may be told before its start. Either way it is over, also if exec_start_post runs.
    Actions before{Action::kDisarmStart};
    if (!facts.clean) before.add(Action::kBlame);
    return wind_down(facts, ended(facts), before);
}

/// Its jail had been given to that main process: exec_start_pre prepares the next one.
Step begin_again(const Facts& facts) {
    if (facts.phase != Phase::kMain) return stay(State::kStarting, facts);
    const Phase phase = facts.has_pre ? Phase::kPre : Phase::kMain;
    const Action launch = facts.has_pre ? Action::kLaunchPre : Action::kLaunchMain;
    return {State::kStarting, phase, State::kInactive, {Action::kRenewMain, launch}};
}

Step command_done(const Facts& facts) {
    if (!facts.last_command) return stay(State::kStarting, facts, {Action::kLaunchNext});
    if (facts.phase == Phase::kPre) {
        return {State::kStarting, Phase::kMain, State::kInactive, {Action::kLaunchMain}};
    }
    return facts.oneshot ? through(facts) : up(facts);
}

/// Nothing runs: a unit whose sockets cannot be opened has nothing to take apart.
Step not_opened(const Facts& facts) {
    Actions actions{Action::kDisarmStart, Action::kDropCommand, Action::kBlame};
    if (facts.restart) actions.add(Action::kArmBackoff);
    return {facts.restart ? State::kBackoff : State::kFailed, Phase::kNone, State::kInactive,
            actions};
}

/// What was looked at says no.
Step not_met(const Facts& facts) {
    Actions actions{Action::kDisarmStart, Action::kDropCommand};
    actions.add(facts.skip ? Action::kSkip : Action::kBlame);
    const bool waits = facts.skip && facts.on_demand && facts.listening;
    if (waits) actions.add({Action::kListens, Action::kAwait});
    const State rest = facts.skip ? resting_place(facts) : State::kFailed;
    return {rest, Phase::kNone, State::kInactive, actions};
}

/// Nothing of it runs: its conditions are looked at, or its sockets opened.
Step while_opening(Event event, const Facts& facts) {
    const Actions leave{Action::kDisarmStart, Action::kDropCommand};
    const bool looks = facts.phase == Phase::kCondition;
    if (looks && event == Event::kCommandDone) return begin_met(facts, {Action::kDisarmStart});
    if (looks && event == Event::kCommandFailed && (facts.skip || facts.never)) {
        return not_met(facts);
    }
    switch (event) {
        case Event::kCommandDone:
            return {State::kListening,
                    Phase::kNone,
                    State::kInactive,
                    {Action::kDisarmStart, Action::kListens, Action::kAwait}};
        case Event::kStop:
            return {State::kInactive, Phase::kNone, State::kInactive, leave};
        case Event::kDependencyFailed:
            return {State::kFailed,
                    Phase::kNone,
                    State::kInactive,
                    {Action::kDisarmStart, Action::kDropCommand, Action::kBlame}};
        case Event::kCommandFailed:
        case Event::kStartTimeout:
            return not_opened(facts);
        case Event::kStart:
        case Event::kWait:
        case Event::kReload:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kMainExited:
        case Event::kNotExecuted:
        case Event::kTornDown:
        case Event::kStopTimeout:
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
        case Event::kClosed:
            return stay(State::kStarting, facts);
    }
    return stay(State::kStarting, facts);
}

}  // namespace

Step while_starting(Event event, const Facts& facts) {
    if (facts.phase == Phase::kListen || facts.phase == Phase::kCondition) {
        return while_opening(event, facts);
    }
    switch (event) {
        case Event::kStop:
            return wind_down(facts, State::kInactive, {Action::kDisarmStart});
        case Event::kDependencyFailed:
            return wind_down(facts, State::kFailed, {Action::kDisarmStart, Action::kBlame});
        case Event::kStarted:
            return executed(facts);
        case Event::kReady:
            if (facts.phase != Phase::kAwaitReady) return stay(State::kStarting, facts);
            return after_ready(facts);
        case Event::kHealthy:
            if (facts.phase != Phase::kAwaitHealth) return stay(State::kStarting, facts);
            return after_main(facts);
        case Event::kWatchdog:
            return shoot_down(facts, {Action::kDisarmStart});
        case Event::kMainExited:
            return main_exited(facts);
        case Event::kNotExecuted:
            return begin_again(facts);
        case Event::kCommandDone:
            return command_done(facts);
        case Event::kLaunchFailed:
        case Event::kCommandFailed:
        case Event::kStartTimeout:
        case Event::kUnhealthy:  // since exec_start_post has begun
            return fall(facts);
        case Event::kStart:
        case Event::kWait:
        case Event::kReload:
        case Event::kReset:
        case Event::kTornDown:
        case Event::kStopTimeout:
        case Event::kBackoffOver:
        case Event::kStable:
        case Event::kActivated:
        case Event::kSocketsLost:
        case Event::kReloadingTold:
        case Event::kStoppingTold:
        case Event::kClosed:
            return stay(State::kStarting, facts);
    }
    return stay(State::kStarting, facts);
}

}  // namespace jailsvc::service
