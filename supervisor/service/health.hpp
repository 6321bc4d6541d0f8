#pragma once

#include <cstdint>

#include "config/unit.hpp"
#include "service/types.hpp"

/// What a unit's health checks make of it: one total function, as step() is for its life.
///
/// A unit is `starting` until its first good check, which makes it `healthy`, and ends its start
/// period. So many bad ones in a row as its retries make it `unhealthy`; before the first good one
/// only those count that end after the start period, and none while its start waits for a good one:
/// that has a limit of its own. One good check makes it healthy again.
namespace jailsvc::service {

struct HealthFacts {
    bool waited_for = false;    ///< its start waits for a good check
    bool start_period = false;  ///< that is not over
    std::uint32_t retries = 1;
};

struct HealthVerdict {
    Health next = Health::kNone;
    std::uint32_t bad = 0;  ///< in a row, those that count
    bool operator==(const HealthVerdict&) const = default;
};

[[nodiscard]] HealthVerdict judged(Health before, std::uint32_t bad, bool good,
                                   const HealthFacts& facts);

/// The pause before the next check. Before the first good one the first is short and each longer
/// than the one before, so that a service that is soon ready is soon known to be.
[[nodiscard]] config::Duration pause_before(Health health, std::uint8_t first_tries,
                                            config::Duration interval);

/// Beyond that many nothing changes.
inline constexpr std::uint8_t kMostFirstTries = 32;

}  // namespace jailsvc::service
