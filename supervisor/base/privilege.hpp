#pragma once

#include <sys/types.h>

#include "base/result.hpp"

namespace jailsvc {

inline constexpr uid_t kEngineUid = 62999;  ///< numeric; no passwd entry is needed
inline constexpr uid_t kLoggerUid = 62998;

/// Gives up root for good: groups, uid and gid become `id`, all capability sets empty, no new
/// privileges, not dumpable. Where the process is not root (rootless use), ids stay as they are and
/// the rest is done. Nothing of it can be undone.
[[nodiscard]] Result<void> drop_privileges(uid_t id);

}  // namespace jailsvc
