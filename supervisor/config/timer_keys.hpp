#pragma once

#include <vector>

#include "config/core_keys.hpp"
#include "config/document.hpp"

namespace jailsvc::config {

/// Those of [timer].
[[nodiscard]] std::vector<CoreKey> timer_keys();

/// What its keys mean only together with others.
void check_timer(const Document& document, Reporter& reporter);

}  // namespace jailsvc::config
