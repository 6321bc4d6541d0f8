#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/unit.hpp"

namespace jailsvc::config {

/// "200ms", "1min 30s", "1.5h", "30" (seconds), "infinity"; names of units as in systemd.time(7).
/// Negative, empty, unknown or longer than 292 years is an error that shows how to write one.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

/// "512M", "4KiB", "100" (bytes); K, M, G, T, P, E are powers of 1024. Beyond 2^63-1 is an error,
/// because TOML's own integers end there.
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text);

/// The shortest text that parses to the same value.
[[nodiscard]] std::string format_duration(Duration duration);
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

}  // namespace jailsvc::config
