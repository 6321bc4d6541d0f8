#include "pressure.hpp"

#include <signal.h>

#include <cstring>
#include <jailsvc_plugin.hpp>

#include "text_file.hpp"

namespace jailsvc::cgroups {
namespace {

// WINDOW_MIN_US and WINDOW_MAX_US of kernel/sched/psi.c.
constexpr std::uint64_t kLeastWindowUs = 500'000;
constexpr std::uint64_t kMostWindowUs = 10'000'000;

struct Scale {
    std::string_view suffix;
    std::uint64_t us;
};
constexpr Scale kScales[] = {{"us", 1}, {"ms", 1000}, {"s", 1'000'000}};

std::optional<std::uint64_t> microseconds(std::string_view text) {
    for (const Scale& scale : kScales) {
        if (!text.ends_with(scale.suffix)) continue;
        const auto number = jsv::parse_decimal(text.substr(0, text.size() - scale.suffix.size()),
                                               kMostWindowUs / scale.us);
        if (number) return *number * scale.us;
    }
    return std::nullopt;
}

std::uint64_t signal_of(std::string_view name) {
    if (name.starts_with("SIG")) name.remove_prefix(3);
    for (int signal = 1; signal < NSIG; ++signal) {
        const char* known = ::sigabbrev_np(signal);
        if (known != nullptr && name == known) return static_cast<std::uint64_t>(signal);
    }
    return 0;
}

}  // namespace

std::optional<std::string> pressure_trigger(std::string_view text) {
    const auto parts = split(text, ' ');
    if (parts.size() != 3 || (parts[0] != "some" && parts[0] != "full")) return std::nullopt;
    const auto waiting = microseconds(parts[1]);
    const auto window = microseconds(parts[2]);
    const bool sound = waiting && window && *waiting > 0 && *waiting <= *window &&
                       *window >= kLeastWindowUs && *window <= kMostWindowUs;
    if (!sound) return std::nullopt;
    return std::string(parts[0]) + ' ' + std::to_string(*waiting) + ' ' + std::to_string(*window);
}

std::optional<PressureAction> pressure_action(std::string_view text) {
    if (text == "log") return PressureAction{JSV_PRESSURE_LOG, 0};
    if (text == "restart") return PressureAction{JSV_PRESSURE_RESTART, 0};
    if (text == "stop") return PressureAction{JSV_PRESSURE_STOP, 0};
    constexpr std::string_view kSignal = "signal:";
    if (!text.starts_with(kSignal)) return std::nullopt;
    const std::uint64_t signal = signal_of(text.substr(kSignal.size()));
    if (signal == 0) return std::nullopt;
    return PressureAction{JSV_PRESSURE_SIGNAL, signal};
}

}  // namespace jailsvc::cgroups
