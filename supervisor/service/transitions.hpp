#pragma once

#include "service/state.hpp"

/// The parts of step(), one function per kind of state, and what several of them share.
namespace jailsvc::service {

/// Inactive, failed, waiting or backoff: nothing runs.
[[nodiscard]] Step while_idle(State state, Event event, const Facts& facts);
[[nodiscard]] Step while_starting(Event event, const Facts& facts);
/// Running or done.
[[nodiscard]] Step while_up(State state, Event event, const Facts& facts);
[[nodiscard]] Step while_reloading(Event event, const Facts& facts);
[[nodiscard]] Step while_stopping(Event event, const Facts& facts);

/// Nothing changes, but for `actions`.
[[nodiscard]] inline Step stay(State state, const Facts& facts, Actions actions = {}) {
    return {state, facts.phase, facts.after, actions};
}

/// The first step of a start; `before` are actions to do first.
[[nodiscard]] Step begin(const Facts& facts, Actions before = {});

/// The next one, with its conditions met.
[[nodiscard]] Step begin_met(const Facts& facts, Actions before = {});

/// `before`, and the end of the unit's health checks.
[[nodiscard]] Actions unchecked(const Facts& facts, Actions before);

/// Down, to end in `after`: tells what still runs to end, or goes on to exec_stop_post.
[[nodiscard]] Step wind_down(const Facts& facts, State after, Actions before = {});

/// Down for want of a ping: a signal of its own asks what runs to end.
[[nodiscard]] Step shoot_down(const Facts& facts, Actions before = {});

/// All processes have gone: exec_stop_post, then teardown.
[[nodiscard]] Step clear_away(const Facts& facts, State after, Actions before = {});

[[nodiscard]] Step while_listening(Event event, const Facts& facts);

/// Where a unit rests whose run is over, and had ended well.
[[nodiscard]] inline State resting_place(const Facts& facts) {
    return facts.on_demand && facts.listening ? State::kListening : State::kInactive;
}

/// Where a start or service that did not end well leads.
[[nodiscard]] inline State fallen(const Facts& facts) {
    if (facts.restart) return State::kBackoff;
    const bool waits = facts.on_demand && facts.listening && !facts.limit;
    return waits ? State::kListening : State::kFailed;
}

/// Where a service leads whose main process has ended by itself.
[[nodiscard]] inline State ended(const Facts& facts) {
    return facts.clean && !facts.restart ? resting_place(facts) : fallen(facts);
}

}  // namespace jailsvc::service
