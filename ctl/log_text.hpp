#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// Reading a unit's log file: lines "2026-11-22T00:05:45.123456Z text".
namespace jailsvc::ctl {

/// Where to start so that the newest `lines` lines of the first `size` bytes are read.
[[nodiscard]] Result<std::uint64_t> offset_of_last_lines(int file, std::uint64_t size, long lines);

/// The stamp from which on lines are wanted: "10min" or "1h 5min" before `now_ns` (realtime), or a
/// date or time in UTC as ISO 8601 writes it, as much of it as is given.
[[nodiscard]] Result<std::string> parse_since(std::string_view text, std::uint64_t now_ns);

/// Offset of the first line stamped `since` or later; stamps rise, so it is searched by halving.
[[nodiscard]] Result<std::uint64_t> offset_since(int file, std::uint64_t size,
                                                 std::string_view since);

}  // namespace jailsvc::ctl
