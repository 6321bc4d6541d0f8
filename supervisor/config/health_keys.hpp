#pragma once

#include <vector>

#include "config/core_keys.hpp"
#include "config/document.hpp"

namespace jailsvc::config {

/// Those of [health].
[[nodiscard]] std::vector<CoreKey> health_keys();

/// What its keys mean only together with others, [service] ready among them.
void check_health(const Document& document, Reporter& reporter);

}  // namespace jailsvc::config
