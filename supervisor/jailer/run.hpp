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

/// `jailsvcd explain [OPTIONS] [TABLE|TABLE.KEY|markdown|json-schema]...`: prints what unit files
/// may say; 1 for an unknown name.
[[nodiscard]] int explain(const std::vector<std::string>& arguments);

}  // namespace jailsvc::jailer
