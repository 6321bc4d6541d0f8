#pragma once

#include <string>
#include <vector>

#include "base/places.hpp"

namespace jailsvc::jailer {

/// The jailer's loop on ipc::kKeeperFd; returns the process's exit status.
[[nodiscard]] int run(const Places& places);

/// `jailsvcd verify [OPTIONS] FILE...`: checks unit files against the core and every plugin that
/// loads; prints the errors; 1 if there are any.
[[nodiscard]] int verify(const std::vector<std::string>& arguments);

}  // namespace jailsvc::jailer
