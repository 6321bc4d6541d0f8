#pragma once

#include <chrono>
#include <cstdint>

namespace jailsvc {

/// Time since boot including suspend [ns], CLOCK_BOOTTIME: what states and timers are stamped with.
[[nodiscard]] std::uint64_t boottime_ns() noexcept;

/// Wall-clock time since the epoch [ns], CLOCK_REALTIME: only for people and log lines.
[[nodiscard]] std::uint64_t realtime_ns() noexcept;

using Nanoseconds = std::chrono::nanoseconds;

}  // namespace jailsvc
