#pragma once

#include <string>
#include <vector>

#include "base/places.hpp"

namespace jailsvc::logger {

/// The logger's loop on ipc::kKeeperFd; returns the process's exit status.
[[nodiscard]] int run(const Places& places);

}  // namespace jailsvc::logger
