#pragma once

#include <string>
#include <vector>

namespace jailsvc::verify {

/// `jailsvcd verify [--json] [--strict] [OPTIONS] FILE...`: checks unit files against the core,
/// every plugin that loads, and each other; prints errors and warnings by file and line; 1 if there
/// are errors, or with --strict warnings.
[[nodiscard]] int verify(std::vector<std::string> arguments);

}  // namespace jailsvc::verify
