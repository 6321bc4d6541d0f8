#pragma once

#include <cstdint>
#include <vector>

#include "config/unit.hpp"
#include "service/types.hpp"

/// The decisions of a unit's policies that need no state; systemd.service(5) is the model.
namespace jailsvc::service {

/// How a run came to its end.
enum class Ending : std::uint8_t {
    kClean,
    kExitCode,  ///< also: a command failed, a program could not be executed
    kSignal,
    kTimeout,
    kWatchdog,
    kUnhealthy,
};

/// Exit code 0, one of success_exit_status, or one of the signals that mean "end" (a oneshot's work
/// is not done when it was interrupted, so there only those that the unit names).
[[nodiscard]] Ending ending_of(const ExitInfo& exit, const config::ServiceTable& service);

/// The table of Restart=. A oneshot that succeeded is not restarted whatever it says; a unit that
/// is to be restarted when it is unhealthy is, whatever it says.
[[nodiscard]] bool restarts_after(Ending ending, const config::ServiceTable& service);

/// restart_delay doubled `level` times, at most restart_delay_max.
[[nodiscard]] config::Duration backoff_delay(const config::ServiceTable& service,
                                             std::uint32_t level);

/// What follows the delay of that level: growing ones, up to the first that grows no more, and no
/// more than a few.
[[nodiscard]] std::vector<config::Duration> delays_after(const config::ServiceTable& service,
                                                         std::uint32_t level);

/// `began` plus `length`, without overflow; what is left of it at `now`, never negative.
[[nodiscard]] config::Duration left_of(config::Duration length, std::uint64_t began_ns,
                                       std::uint64_t now_ns);

/// Starts within an interval that begins with the first of them.
struct StartWindow {
    std::uint64_t began_ns = 0;
    std::uint32_t starts = 0;
};
/// Whether one more start at `now_ns` would exceed the limit. A burst or interval of 0: no limit.
[[nodiscard]] bool limit_reached(const StartWindow& window, const config::UnitTable& unit,
                                 std::uint64_t now_ns);
/// The window after a start at `now_ns`.
[[nodiscard]] StartWindow counted(StartWindow window, const config::UnitTable& unit,
                                  std::uint64_t now_ns);

}  // namespace jailsvc::service
