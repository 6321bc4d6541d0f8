#pragma once

#include <string>
#include <vector>

namespace jailsvc::verify {

/// `jailsvcd transient [OPTIONS] WISH PROGRAM [ARGUMENT]...`: the unit file of a job, for `jailsvc
/// run`, which writes it; so for a client of the same version alone. WISH is a JSON object:
///   {"name", "profile", "keep", "output_cap": TEXT, "environment", "properties", "timer": [TEXT],
///    "stdin", "terminal": BOOL}
/// Prints {"name", "directory", "file", "text"}, or {"errors": [TEXT]} and ends with 2; with 127
/// where there is no such program.
[[nodiscard]] int transient(const std::vector<std::string>& arguments);

}  // namespace jailsvc::verify
