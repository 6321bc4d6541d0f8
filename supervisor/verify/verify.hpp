#pragma once

#include <string>
#include <vector>

namespace jailsvc::verify {

/// `jailsvcd verify [--json] [OPTIONS] FILE...`: checks unit files against the core, every plugin
/// that loads, and each other; prints errors and warnings; 1 if there are errors, whatever the
/// warnings.
[[nodiscard]] int verify(const std::vector<std::string>& arguments);

}  // namespace jailsvc::verify
