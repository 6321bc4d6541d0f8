#pragma once

#include <cstdint>

namespace jailsvc::keeper {

/// How long to wait before a dead engine, jailer or logger is started again [ns].
class Backoff {
public:
    static constexpr std::uint64_t kFirstNs = 100'000'000;
    static constexpr std::uint64_t kLongestNs = 30'000'000'000;
    static constexpr std::uint64_t kStableNs = 10'000'000'000;  ///< up so long: start over

    [[nodiscard]] std::uint64_t after_death(std::uint64_t was_up_ns) noexcept {
        if (delay_ns_ == 0 || was_up_ns >= kStableNs) {
            delay_ns_ = kFirstNs;
        } else {
            delay_ns_ = delay_ns_ * 2 < kLongestNs ? delay_ns_ * 2 : kLongestNs;
        }
        return delay_ns_;
    }

private:
    std::uint64_t delay_ns_ = 0;
};

}  // namespace jailsvc::keeper
