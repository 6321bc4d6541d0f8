#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// The name of the group that holds all groups of one supervisor. It says whose it is, so that what
/// a dead one left can be told from what a living one uses.
namespace jailsvc::jailer::cgroup {

struct Supervisor {
    std::uint64_t pid_namespace = 0;  ///< inode of the one that the pid counts in
    pid_t keeper = 0;
    std::uint64_t start = 0;  ///< of the keeper, as proc(5) stat has it

    bool operator==(const Supervisor&) const = default;
};

/// "jailsvc.4026531836.812.77213".
[[nodiscard]] std::string to_name(const Supervisor& supervisor);
[[nodiscard]] std::optional<Supervisor> parse_name(std::string_view name);

/// The one whose jailer we are: our parent is its keeper.
[[nodiscard]] Supervisor own_supervisor();

/// Whether its keeper has ended for certain: one that counts in another pid namespace is never said
/// to have.
[[nodiscard]] bool has_ended(const Supervisor& other);

}  // namespace jailsvc::jailer::cgroup
