#pragma once

#include "config/load.hpp"

namespace jailsvc::verify {

/// What is allowed and takes the jail's sense away, at the key that says it.
[[nodiscard]] config::Diagnostics find_weaknesses(const config::Unit& unit,
                                                  const config::JailPlaces& places,
                                                  const std::string& file);

}  // namespace jailsvc::verify
