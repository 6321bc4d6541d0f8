#include "service/health.hpp"

#include <algorithm>
#include <limits>

namespace jailsvc::service {
namespace {

constexpr config::Duration kFirstPause = std::chrono::milliseconds(100);

HealthVerdict one_more(Health before, std::uint32_t bad, const HealthFacts& facts) {
    const std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
    const std::uint32_t now = bad == most ? bad : bad + 1;
    return {now >= facts.retries ? Health::kUnhealthy : before, now};
}

}  // namespace

HealthVerdict judged(Health before, std::uint32_t bad, bool good, const HealthFacts& facts) {
    switch (before) {
        case Health::kNone:
            return {Health::kNone, 0};
        case Health::kStarting:
            if (good) return {Health::kHealthy, 0};
            if (facts.waited_for || facts.start_period) return {before, bad};
            return one_more(before, bad, facts);
        case Health::kHealthy:
            return good ? HealthVerdict{before, 0} : one_more(before, bad, facts);
        case Health::kUnhealthy:
            return good ? HealthVerdict{Health::kHealthy, 0} : one_more(before, bad, facts);
    }
    return {before, bad};
}

config::Duration pause_before(Health health, std::uint8_t first_tries, config::Duration interval) {
    if (health != Health::kStarting) return interval;
    config::Duration pause = kFirstPause;
    for (std::uint8_t i = 1; i < first_tries && pause < interval; ++i) pause *= 2;
    return std::min(pause, interval);
}

}  // namespace jailsvc::service
