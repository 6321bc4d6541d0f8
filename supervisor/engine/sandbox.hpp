#pragma once

#include <sys/types.h>

#include "base/result.hpp"

/// What the engine takes away from itself: it talks to clients, so it must be worth nothing to who
/// takes it over. Irreversible; each function applies to the whole (single-threaded) process.
namespace jailsvc::engine {

inline constexpr uid_t kEngineUid = 62999;  ///< needs no entry in passwd(5)

/// As root: takes the engine's uid and gid, no groups, no capabilities. As anybody: no_new_privs,
/// no core dumps, not to be traced or read by processes of the same uid (prctl(2),
/// PR_SET_DUMPABLE).
[[nodiscard]] Result<void> drop_privileges();

/// A system call filter against what the engine never does: executing, making processes, tracing,
/// mounting, opening sockets, signalling, loading code into the kernel. Refused calls fail with
/// EPERM, which shows up as an error in the log and not as a death.
[[nodiscard]] Result<void> filter_system_calls();

/// Landlock (landlock(7)): no file can be written, made, removed or executed, but that files can be
/// made and written in the directory `writable`, if there is one. Reading stays as it is: unit
/// files may name others anywhere. Kernels without Landlock: no error, false.
[[nodiscard]] Result<bool> deny_file_changes(const std::string& writable);

}  // namespace jailsvc::engine
