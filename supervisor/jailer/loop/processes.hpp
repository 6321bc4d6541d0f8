#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/fd.hpp"

/// What /proc says about a jail's processes. Everything here is a snapshot of something that moves:
/// a process is signalled only through a pidfd that was opened before its parentage was checked, so
/// that a reused pid is never hit.
namespace jailsvc::jailer {

/// A session that a jail without a pid namespace began: the leader's pid and when it started, by
/// which a later process with the same number is told apart.
struct Session {
    pid_t id = 0;
    std::uint64_t leader_start = 0;  ///< field 22 of proc(5) stat [ticks since boot]
};

/// One process found in a jail.
struct Found {
    pid_t pid = 0;
    Fd pidfd;
};

/// The living processes of `roots` and all their descendants, nested namespaces included. `reaper`
/// is the jail's init, to which orphans go; it is left out itself. At most kMaxFound.
[[nodiscard]] std::vector<Found> find_descendants(std::span<const pid_t> roots, pid_t reaper);

/// The living processes of these sessions.
[[nodiscard]] std::vector<Found> find_session_members(std::span<const Session> sessions);

/// The same, and every process with the variable `mark` ("NAME=VALUE") in its environment: what a
/// service without a pid namespace began, wherever it went since. Only a process that leaves its
/// session, its parents and its environment is lost: such a service is trusted not to hide.
[[nodiscard]] std::vector<Found> find_unconfined(std::span<const Session> sessions,
                                                 const std::string& mark);

inline constexpr std::size_t kMaxFound = 65536;

/// Start time of a process, 0 if it is gone.
[[nodiscard]] std::uint64_t start_time_of(pid_t pid);

/// Whether the process, of a pid that cannot be another's by now, has begun to exit. An init of a
/// pid namespace stays so until it has ended every process in it.
[[nodiscard]] bool is_exiting(pid_t pid);

/// Whether the process is in another pid namespace than we are.
[[nodiscard]] bool in_other_pid_namespace(pid_t pid);

/// Whether both processes run the same program file (device and inode of /proc/PID/exe).
[[nodiscard]] bool runs_program(pid_t pid, int program);
[[nodiscard]] bool runs_our_program(pid_t pid);

/// Proportional set size [KiB] of one process; 0 if it is gone.
[[nodiscard]] std::uint64_t pss_kib_of(pid_t pid);

/// Direct children of a process, all threads'.
[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);

}  // namespace jailsvc::jailer
