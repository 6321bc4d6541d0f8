#pragma once

#include "base/places.hpp"

namespace jailsvc::engine {

/// The engine's loop on ipc::kKeeperFd; returns the process's exit status.
[[nodiscard]] int run(const Places& places);

}  // namespace jailsvc::engine
