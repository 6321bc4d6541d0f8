#pragma once

#include <string>
#include <vector>

#include "base/places.hpp"

namespace jailsvc::jailer {

/// The jailer's loop on ipc::kKeeperFd; returns the process's exit status.
[[nodiscard]] int run(const Places& places);

/// `jailsvcd explain [--json] [OPTIONS] [TABLE|TABLE.KEY|markdown|json-schema]...`: prints what
/// unit files may say; 1 for an unknown name.
[[nodiscard]] int explain(std::vector<std::string> arguments);

/// `jailsvcd creds [OPTIONS] encrypt|decrypt|list …`, see usage() there.
[[nodiscard]] int creds(const std::vector<std::string>& arguments);

}  // namespace jailsvc::jailer
