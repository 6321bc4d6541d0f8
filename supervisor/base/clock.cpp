#include "base/clock.hpp"

#include <ctime>

namespace jailsvc {
namespace {

std::uint64_t read_clock(clockid_t id) noexcept {
    timespec now{};
    ::clock_gettime(id, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

std::uint64_t boottime_ns() noexcept {
    return read_clock(CLOCK_BOOTTIME);
}
std::uint64_t realtime_ns() noexcept {
    return read_clock(CLOCK_REALTIME);
}

}  // namespace jailsvc
