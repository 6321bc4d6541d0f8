// memory_pressure, cpu_pressure, io_pressure and what is done then.
#ifndef JAILSVC_PLUGINS_CGROUPS_PRESSURE_HPP
#define JAILSVC_PLUGINS_CGROUPS_PRESSURE_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jailsvc::cgroups {

/// "some 150ms 2s" in the kernel's words, "some 150000 2000000"; nullopt if it is none, or if its
/// window is not of the kernel's 500 ms to 10 s.
[[nodiscard]] std::optional<std::string> pressure_trigger(std::string_view text);

struct PressureAction {
    std::uint64_t action = 0;  ///< JSV_PRESSURE_*
    std::uint64_t signal = 0;
};
/// "log", "restart", "stop" or "signal:USR1".
[[nodiscard]] std::optional<PressureAction> pressure_action(std::string_view text);

}  // namespace jailsvc::cgroups

#endif  // JAILSVC_PLUGINS_CGROUPS_PRESSURE_HPP
