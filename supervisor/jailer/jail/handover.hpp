#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::jailer {

struct FileOwner {
    uid_t uid;
    gid_t gid;

    bool operator==(const FileOwner&) const = default;
};

/// A directory of a unit's that has belonged to somebody else, with what is in it.
struct Handover {
    std::string path;  ///< for people
    Fd directory;
    FileOwner from;
    FileOwner to;
    mode_t mode;  ///< of the directory itself
};

/// The directory's owner, a step of its own: the mode must not lose what the umask takes.
[[nodiscard]] Result<void> set_owner(int directory, FileOwner owner, mode_t mode);

/// What belongs to `from`'s uid becomes `to`'s, the same for gids, below the directory and in its
/// file system, and at last the directory itself: one that was interrupted is done again. No link
/// is followed; a set-user-ID bit is lost, as at any chown(2). May take long.
[[nodiscard]] Result<void> hand_over(const Handover& what);

}  // namespace jailsvc::jailer
