#pragma once

#include <vector>

#include "config/core_keys.hpp"

namespace jailsvc::config {

/// The rows of [service], for core_keys().
[[nodiscard]] std::vector<CoreKey> service_keys();

/// Those of [service] that are about readiness, the watchdog and the descriptor store.
[[nodiscard]] std::vector<CoreKey> readiness_keys();

}  // namespace jailsvc::config
