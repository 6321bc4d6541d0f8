#include "service/transitions.hpp"

namespace jailsvc::service {

Step while_listening(Event event, const Facts& facts) {
    const auto rest = [](State state, Actions actions = {}) {
        return Step{state, Phase::kNone, State::kInactive, actions};
    };
    switch (event) {
        case Event::kActivated:
            if (facts.target) return stay(State::kListening, facts);
            return facts.may_start ? begin(facts) : rest(State::kWaiting);
        case Event::kSocketsLost:
        case Event::kDependencyFailed:
            return rest(State::kFailed, {Action::kBlame});
        case Event::kStop:
            return rest(State::kInactive);
        case Event::kStart:
        case Event::kWait:
        case Event::kReload:
        case Event::kReset:
        case Event::kStarted:
        case Event::kLaunchFailed:
        case Event::kMainExited:
        case Event::kNotExecuted:
        case Event::kCommandDone:
        case Event::kCommandFailed:
        case Event::kTornDown:
        case Event::kStartTimeout:
        case Event::kStopTimeout:
        case Event::kBackoffOver:
        case Event::kStable:
        case Event::kReady:
        case Event::kReloadingTold:
        case Event::kStoppingTold:
        case Event::kWatchdog:
        case Event::kHealthy:
        case Event::kUnhealthy:
        case Event::kClosed:
            return stay(State::kListening, facts);
    }
    return stay(State::kListening, facts);
}

}  // namespace jailsvc::service
