#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"

namespace jailsvc::ctl {

/// What --since and --until say [µs since the epoch]: "10min" or "1h 5min" before `now_us`, "now",
/// "today", "yesterday", or a date or time in UTC as ISO 8601 writes it, as much of it as is given.
[[nodiscard]] Result<std::uint64_t> parse_time(std::string_view text, std::uint64_t now_us);

/// "10min", "1h 5min" [µs].
[[nodiscard]] Result<std::uint64_t> parse_span(std::string_view text);

}  // namespace jailsvc::ctl
