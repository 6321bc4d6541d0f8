#pragma once

#include <string>

#include "record.hpp"

namespace pledge::learn {

/// TOML that a person can paste into the unit, with the reasons as comments.
[[nodiscard]] std::string propose(const std::string& unit, const Record& record);

/// The lines of [jail.unveil], without its head; empty if no path was seen.
[[nodiscard]] std::string propose_paths(const Record& record);

}  // namespace pledge::learn
