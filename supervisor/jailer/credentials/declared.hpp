#pragma once

#include <string>
#include <vector>

#include "base/places.hpp"
#include "base/result.hpp"
#include "config/unit.hpp"

namespace jailsvc::jailer {

/// A line of [credentials], for listing.
struct DeclaredCredential {
    std::string name;
    std::string from;  ///< "file", "encrypted" or "command"
    std::string where;
};

[[nodiscard]] Result<std::vector<DeclaredCredential>> declared_credentials(
    const config::Unit& unit);

/// Whether a start could have it now: a file is there and closed to others, an encrypted one is for
/// this name and decrypts. Of a command, which is not run, nothing can be said.
[[nodiscard]] Result<void> check_declared(const Places& places, const DeclaredCredential& one);

}  // namespace jailsvc::jailer
