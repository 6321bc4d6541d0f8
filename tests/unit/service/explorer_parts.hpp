#pragma once

#include "explorer.hpp"

/// What the explorer's parts say of states and units.
namespace jailsvc::service {

inline bool holds_processes(State state) {
    return state == State::kStarting || state == State::kRunning || state == State::kReloading ||
           state == State::kStopping || state == State::kDone;
}

inline bool is_active(State state) {
    return holds_processes(state) && state != State::kStopping;
}

inline bool tells_ready(const config::Unit& unit) {
    return unit.service.type == config::ServiceType::kNotify ||
           unit.service.type == config::ServiceType::kNotifyFd;
}

inline bool is_forking(const config::Unit& unit) {
    return unit.service.type == config::ServiceType::kForking;
}

inline bool is_checked(const config::Unit& unit) {
    return unit.health->present();
}

/// Starts again when what it requires is up again.
inline bool fell_with_another(const Entry& entry) {
    const Vitals& record = entry.record();
    return record.state == State::kFailed && record.wanted_up != 0 &&
           static_cast<JobOutcome>(record.outcome) == JobOutcome::kDependency;
}

}  // namespace jailsvc::service
