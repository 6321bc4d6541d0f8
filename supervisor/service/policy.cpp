#include "service/policy.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

namespace jailsvc::service {
namespace {

template <typename Values>
bool contains(const Values& values, int value) {
    return std::ranges::find(values, value) != std::ranges::end(values);
}

bool expired(const StartWindow& window, const config::UnitTable& unit, std::uint64_t now_ns) {
    return left_of(unit.start_limit_interval, window.began_ns, now_ns).count() == 0;
}

}  // namespace

Ending ending_of(const ExitInfo& exit, const config::ServiceTable& service) {
    if (!exit.known) return Ending::kExitCode;
    if (!exit.by_signal) {
        const bool good = exit.code == 0 || contains(service.success_exit_status, exit.code);
        return good ? Ending::kClean : Ending::kExitCode;
    }
    static constexpr int kEndSignals[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};
    const bool asked =
        service.type != config::ServiceType::kOneshot && contains(kEndSignals, exit.code);
    return asked || contains(service.success_signals, exit.code) ? Ending::kClean : Ending::kSignal;
}

bool restarts_after(Ending ending, const config::ServiceTable& service) {
    if (service.type == config::ServiceType::kOneshot && ending == Ending::kClean) return false;
    if (ending == Ending::kUnhealthy) return true;
    switch (service.restart) {
        case config::Restart::kNo:
            return false;
        case config::Restart::kOnSuccess:
            return ending == Ending::kClean;
        case config::Restart::kOnFailure:
            return ending != Ending::kClean;
        case config::Restart::kOnAbnormal:
            return ending == Ending::kSignal || ending == Ending::kTimeout ||
                   ending == Ending::kWatchdog;
        case config::Restart::kOnAbort:
            return ending == Ending::kSignal;
        case config::Restart::kOnWatchdog:
            return ending == Ending::kWatchdog;
        case config::Restart::kAlways:
        case config::Restart::kUnlessStopped:
            return true;
    }
    return false;
}

config::Duration backoff_delay(const config::ServiceTable& service, std::uint32_t level) {
    const config::Duration most = std::max(service.restart_delay_max, service.restart_delay);
    config::Duration delay = service.restart_delay;
    if (delay.count() <= 0) return config::Duration::zero();
    for (; level > 0 && delay < most; --level) delay = delay > most / 2 ? most : delay * 2;
    return std::min(delay, most);
}

std::vector<config::Duration> delays_after(const config::ServiceTable& service,
                                           std::uint32_t level) {
    constexpr std::size_t kMost = 10;
    std::vector<config::Duration> delays;
    config::Duration before = backoff_delay(service, level);
    while (delays.size() < kMost) {
        const config::Duration next = backoff_delay(service, ++level);
        delays.push_back(next);
        if (next == std::exchange(before, next)) break;
    }
    return delays;
}

config::Duration left_of(config::Duration length, std::uint64_t began_ns, std::uint64_t now_ns) {
    if (length == config::kForever) return length;
    if (now_ns <= began_ns) return length;
    const std::uint64_t passed = now_ns - began_ns;
    const auto whole = static_cast<std::uint64_t>(std::max<std::int64_t>(length.count(), 0));
    if (passed >= whole) return config::Duration::zero();
    return config::Duration(static_cast<std::int64_t>(whole - passed));
}

bool limit_reached(const StartWindow& window, const config::UnitTable& unit, std::uint64_t now_ns) {
    if (unit.start_limit_burst == 0 || unit.start_limit_interval.count() <= 0) return false;
    return window.starts >= unit.start_limit_burst && !expired(window, unit, now_ns);
}

StartWindow counted(StartWindow window, const config::UnitTable& unit, std::uint64_t now_ns) {
    if (window.starts == 0 || expired(window, unit, now_ns)) return {now_ns, 1};
    ++window.starts;
    return window;
}

}  // namespace jailsvc::service
