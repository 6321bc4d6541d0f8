#pragma once

#include <vector>

#include "config/core_keys.hpp"

namespace jailsvc::config {

/// The rows of [socket], for core_keys().
[[nodiscard]] std::vector<CoreKey> socket_keys();

/// What only the whole table can be checked for: what it must and must not have besides, with or
/// without a [service].
void check_socket(const Document& document, Reporter& reporter);

}  // namespace jailsvc::config
