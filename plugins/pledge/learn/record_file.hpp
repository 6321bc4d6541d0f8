#pragma once

#include <optional>
#include <string>

#include "record.hpp"

namespace pledge::learn {

/// Adds to the record of `unit` in the directory `folder`, which several programs of one unit do at
/// a time. Returns 0 or an errno.
[[nodiscard]] int add_to_file(int folder, const std::string& unit, const Record& more);

/// nullopt: there is none, or it is damaged (errno 0).
[[nodiscard]] std::optional<Record> read_file(int folder, const std::string& unit);

}  // namespace pledge::learn
