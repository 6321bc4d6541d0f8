#include "service/rules.hpp"

#include <algorithm>

namespace jailsvc::service {
namespace {

using Kind = Hindrance::Kind;

/// Whether an `after` that is not required still has to be waited for: it has been asked to start
/// and its first attempt is not decided, or it is going down.
bool is_undecided(const Entry& entry) {
    const Vitals& record = entry.record();
    if (is_up(entry)) return goes_down(entry);
    switch (record.state) {
        case State::kStopping:
            return true;
        case State::kWaiting:
        case State::kStarting:
            return true;
        case State::kInactive:
        case State::kFailed:
            return record.want == Want::kUp || record.want == Want::kAgain;
        case State::kBackoff:
        case State::kRunning:
        case State::kReloading:
        case State::kDone:
        case State::kListening:
            return false;
    }
    return false;
}

}  // namespace

bool at_rest(const Entry& entry) {
    return entry.record().state == State::kInactive || entry.record().state == State::kFailed;
}

bool is_idle(const Entry& entry) {
    return at_rest(entry) || entry.record().state == State::kWaiting ||
           entry.record().state == State::kBackoff;
}

bool is_up(const Entry& entry) {
    const State state = entry.record().state;
    return state == State::kRunning || state == State::kReloading || state == State::kDone ||
           state == State::kListening;
}

bool satisfies(const Entry& entry) {
    if (is_up(entry) || entry.record().listening != 0) return true;
    const State state = entry.record().state;
    if (entry.record().skipped != 0 && state == State::kInactive) return true;
    return entry.record().succeeded != 0 &&
           (state == State::kStopping || state == State::kInactive);
}

bool goes_down(const Entry& entry) {
    const Want want = entry.record().want;
    return (want == Want::kDown || want == Want::kAgain) && !at_rest(entry);
}

bool is_coming(const Entry& entry) {
    const Vitals& record = entry.record();
    if (record.want == Want::kUp && record.state == State::kStopping) {
        return comes_back(record);
    }
    if (record.want == Want::kUp || record.want == Want::kAgain) return true;
    if (record.want == Want::kDown) return false;
    switch (record.state) {
        case State::kWaiting:
        case State::kStarting:
        case State::kBackoff:
            return true;
        case State::kStopping:
            return comes_back(record);
        case State::kInactive:
        case State::kRunning:
        case State::kReloading:
        case State::kFailed:
        case State::kDone:
        case State::kListening:
            return false;
    }
    return false;
}

Hindrance hindrance_to_start(const Entry& entry) {
    if (!entry.broken->empty()) return {Kind::kNever, &entry};
    for (const Entry* need : entry.needs) {
        if (is_gone(*need)) return {Kind::kNever, need};
    }
    for (const Entry* rival : entry.conflicts) {
        const bool yields = goes_down(*rival) || rival->record().state == State::kStopping;
        if (!is_idle(*rival) && !yields) return {Kind::kNever, rival};
    }
    for (const Entry* need : entry.needs) {
        if (!satisfies(*need) || goes_down(*need)) return {Kind::kWait, need};
    }
    for (const Entry* rival : entry.conflicts) {
        if (!is_idle(*rival)) return {Kind::kWait, rival};
    }
    for (const Entry* earlier : entry.after) {
        if (is_undecided(*earlier)) return {Kind::kWait, earlier};
    }
    return {};
}

const Entry* hindrance_to_stop(const Entry& entry) {
    const Vitals& record = entry.record();
    // What reloads by itself may be stopped at it.
    if (record.state == State::kReloading && record.control_token != 0) return &entry;
    for (const Entry* later : entry.before) {
        const bool leaving = goes_down(*later) || later->record().state == State::kStopping;
        if (!is_idle(*later) && leaving) return later;
    }
    return nullptr;
}

std::string blame_on(const Entry& cause) {
    const Vitals& record = cause.record();
    const auto outcome = static_cast<JobOutcome>(record.outcome);
    const bool failed = record.state == State::kFailed || record.after == State::kFailed;
    if (outcome == JobOutcome::kDependency && !cause.life.because->empty()) {
        return *cause.life.because;
    }
    if (failed) return cause.name() + " failed: " + *cause.life.because;
    if (cause.life.because->empty()) return cause.name() + " is not running";
    return cause.name() + " went down: " + *cause.life.because;
}

std::string never_because(const Entry& entry, const Hindrance& hindrance) {
    if (hindrance.by == &entry) return *entry.broken;
    if (std::ranges::find(entry.needs, hindrance.by) != entry.needs.end()) {
        return blame_on(*hindrance.by);
    }
    return "conflicts with " + hindrance.by->name() + ", which is running; stop it first";
}

std::string because_of(const Entry& entry) {
    const Vitals& record = entry.record();
    const auto other = [](std::string_view what, const Entry& by) {
        return std::string(what) + by.name() + " (" + std::string(name_of(by.record().state)) + ")";
    };
    if (record.state == State::kWaiting) {
        const Hindrance hindrance = hindrance_to_start(entry);
        if (hindrance.by != nullptr) return other("waits for ", *hindrance.by);
    }
    if (record.state == State::kInactive && !entry.broken->empty()) return *entry.broken;
    if (goes_down(entry) && !is_idle(entry) && record.state != State::kStopping) {
        const Entry* by = hindrance_to_stop(entry);
        if (by == &entry) return "stops when its reload has ended";
        if (by != nullptr) return other("stops after ", *by);
    }
    if (record.state == State::kStarting && record.phase == Phase::kAwaitReady &&
        entry.life.because->empty()) {
        return "waits for " + std::string(awaited_of(entry.unit().service.type));
    }
    if (record.state == State::kStarting && record.phase == Phase::kAwaitHealth &&
        entry.life.because->empty()) {
        return "waits for a good health check" + last_of(entry);
    }
    return *entry.life.because;
}

std::string last_of(const Entry& entry) {
    const std::string& reason = entry.life.health->reason;
    return reason.empty() ? std::string() : "; the last one: " + reason;
}

}  // namespace jailsvc::service
