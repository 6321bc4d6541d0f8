#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace jailsvc::ctl {

/// What the kernel says of a running process, as far as whoever asks may know it: absent where the
/// kernel does not tell.
struct KernelFacts {
    std::optional<std::uint64_t> uid;       ///< as the host counts
    std::optional<std::uint64_t> bounding;  ///< capabilities, a bit each
    std::optional<bool> no_new_privs;
    std::optional<bool> filtered;  ///< system calls, by seccomp
    /// By name in /proc/PID/ns, "net": whether it is another one than the supervisor's.
    std::map<std::string, bool, std::less<>> own_namespaces;
};

/// From the text of /proc/PID/status (proc(5)); namespaces are left empty.
[[nodiscard]] KernelFacts parse_status(std::string_view status);

/// `supervisor`: the keeper's pid, to compare namespaces with.
[[nodiscard]] KernelFacts look_at(pid_t pid, pid_t supervisor);

}  // namespace jailsvc::ctl
