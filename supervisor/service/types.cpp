#include "service/types.hpp"

namespace jailsvc::service {

std::string_view name_of(State state) {
    switch (state) {
        case State::kInactive:
            return "inactive";
        case State::kWaiting:
            return "waiting";
        case State::kStarting:
            return "starting";
        case State::kRunning:
            return "running";
        case State::kReloading:
            return "reloading";
        case State::kStopping:
            return "stopping";
        case State::kBackoff:
            return "backoff";
        case State::kFailed:
            return "failed";
        case State::kDone:
            return "done";
        case State::kListening:
            return "listening";
    }
    return "unknown";
}

std::string_view name_of(Health health) {
    switch (health) {
        case Health::kNone:
            return "none";
        case Health::kStarting:
            return "starting";
        case Health::kHealthy:
            return "healthy";
        case Health::kUnhealthy:
            return "unhealthy";
    }
    return "unknown";
}

std::string_view key_of(Purpose purpose) {
    switch (purpose) {
        case Purpose::kMain:
            return "exec_start";
        case Purpose::kStartPre:
            return "exec_start_pre";
        case Purpose::kStartPost:
            return "exec_start_post";
        case Purpose::kReload:
            return "exec_reload";
        case Purpose::kStop:
            return "exec_stop";
        case Purpose::kStopPost:
            return "exec_stop_post";
        case Purpose::kHealth:
            return "health";
        case Purpose::kClient:
            return "exec";
        case Purpose::kStub:
            return "stub";
        case Purpose::kListen:
            return "socket";
        case Purpose::kCondition:
            return "conditions";
    }
    return "unknown";
}

}  // namespace jailsvc::service
