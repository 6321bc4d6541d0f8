#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "jailer/jail/jail.hpp"

/// What the kernel says of a process: /proc/PID/status, limits and stat (proc(5)).
namespace jailsvc::jailer {

struct ProcessFacts {
    std::array<std::uint32_t, 4> uids{};  ///< real, effective, saved, file system
    std::array<std::uint32_t, 4> gids{};
    std::vector<std::uint32_t> groups;  ///< sorted
    std::uint64_t inheritable = 0, permitted = 0, effective = 0, bounding = 0, ambient = 0;
    std::uint64_t blocked_signals = 0, ignored_signals = 0;  ///< 1 << (number - 1)
    std::uint32_t umask = 0;
    bool no_new_privs = false;
    std::uint64_t seccomp_mode = 0;     ///< 2: filters; 0 also on a kernel without them
    std::uint64_t seccomp_filters = 0;  ///< how many, inherited ones too; counted since Linux 5.9
};

/// Fails on a status that lacks any of these lines, but for those of seccomp.
[[nodiscard]] Result<ProcessFacts> parse_status(std::string_view text);
[[nodiscard]] Jailed<ProcessFacts> read_process_facts(std::uint32_t op, pid_t pid);

struct LimitPair {
    std::uint64_t soft = 0, hard = 0;
    bool operator==(const LimitPair&) const = default;
};
/// prlimit(2) on another user's process needs CAP_SYS_RESOURCE; this file does not.
[[nodiscard]] Result<LimitPair> parse_limit(std::string_view text, unsigned resource);

}  // namespace jailsvc::jailer
