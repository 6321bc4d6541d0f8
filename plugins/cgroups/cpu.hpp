// Processor keys as people write them, turned into what the kernel reads.
#ifndef JAILSVC_PLUGINS_CGROUPS_CPU_HPP
#define JAILSVC_PLUGINS_CGROUPS_CPU_HPP

#include <optional>
#include <string>
#include <string_view>

namespace jailsvc::cgroups {

/// "50%" as "QUOTA PERIOD" in microseconds: "50000 100000". 1% to 1000000%.
[[nodiscard]] std::optional<std::string> cpu_max(std::string_view share);

/// "0-3,6" in the kernel's own spelling; nullopt if it is none.
[[nodiscard]] std::optional<std::string> cpu_list(std::string_view text);

}  // namespace jailsvc::cgroups

#endif  // JAILSVC_PLUGINS_CGROUPS_CPU_HPP
