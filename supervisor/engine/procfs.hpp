#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace jailsvc::engine {

/// What /proc tells everybody about a process.
struct Usage {
    std::uint64_t resident_bytes = 0;
    std::uint64_t cpu_us = 0;
    std::uint64_t threads = 0;
};
/// Nothing where the process is gone or hidden (proc(5), hidepid).
[[nodiscard]] std::optional<Usage> usage_of(pid_t pid);

/// From the contents of /proc/PID/stat and statm (proc(5)); split off for tests.
[[nodiscard]] std::optional<Usage> parse_usage(std::string_view stat, std::string_view statm,
                                               std::uint64_t ticks_per_second,
                                               std::uint64_t page_bytes);

/// Pids of the supervisor's processes by role: "init", "engine", "jailer", "logger".
[[nodiscard]] std::map<std::string, pid_t> supervisor_processes();

}  // namespace jailsvc::engine
