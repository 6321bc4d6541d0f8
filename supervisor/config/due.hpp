#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "config/calendar.hpp"
#include "config/unit.hpp"

namespace jailsvc::config {

/// A unit's [timer] as it is reckoned with.
struct Schedule {
    std::vector<Calendar> calendar;
    std::optional<Duration> on_boot, on_active, every;
    bool persistent = false;

    /// Of a table that was checked when its unit was read.
    [[nodiscard]] static Result<Schedule> of(const TimerTable& table);
};

/// What a schedule counts from. Times `ns` are CLOCK_BOOTTIME, which goes on while the machine
/// sleeps and which nobody sets.
struct TimerPast {
    std::uint64_t active_ns = 0;                 ///< since when it waits
    WallTime active_wall = 0;                    ///< the same by the clock on the wall
    std::optional<std::uint64_t> last_run_ns{};  ///< start of the last run since the boot
    std::optional<WallTime> last_run_wall{};     ///< of the last run, also before the boot
};

/// When it is due next, by either clock; what lies in the past is due now.
struct Due {
    std::optional<std::uint64_t> boot_ns;
    std::optional<WallTime> wall;
};

/// - on_boot: so long after the boot, once, also if that is over already
/// - on_active: so long after the timer began to wait, once
/// - every: so long after the start of the last run; of none, after the timer began to wait
/// - on_calendar: the first time since the last run; without `persistent` not from before the timer
///   began to wait. However many were missed, one run makes up for them.
[[nodiscard]] Due next_due(const Schedule& schedule, const TimerPast& past, WallTime now);

}  // namespace jailsvc::config
