#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/message.hpp"

namespace jailsvc::engine {

/// A process, as /proc tells everybody (proc(5)).
struct ProcessInfo {
    pid_t pid = 0;
    pid_t parent = 0;
    std::string name;  ///< as the process may change it, of any bytes
    char state = '?';  ///< R, S, D, Z, T, …
    std::uint64_t cpu_us = 0;
    std::uint64_t threads = 0;
    std::uint64_t resident_bytes = 0;
    std::uint64_t start_ticks =
        0;  ///< since boot, which tells a process from a later one of its pid
};

/// From the contents of /proc/PID/stat; nullopt where they are not that.
[[nodiscard]] std::optional<ProcessInfo> parse_process(std::string_view stat,
                                                       std::uint64_t ticks_per_second,
                                                       std::uint64_t page_bytes);

/// The process and all that descend from it, as far as they can be seen; for a unit without a
/// control group.
[[nodiscard]] std::vector<pid_t> with_descendants(pid_t pid);

/// An answer's list of these processes, those that have ended meanwhile left out; at most `most`.
[[nodiscard]] control::Json list_processes(const std::vector<pid_t>& pids, std::size_t most);

/// In one answer: each costs two files of /proc, and anybody may ask.
inline constexpr std::size_t kMaxProcesses = 2048;

}  // namespace jailsvc::engine
