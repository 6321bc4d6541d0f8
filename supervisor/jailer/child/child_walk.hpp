#pragma once

#include <cstdint>

/// [child] Paths in a root that may belong to an attacker.
namespace jailsvc::jailer {

struct MountState;

/// O_PATH descriptor of a jail path; symlinks are followed below `root` only, magic links never
/// (openat2(2), RESOLVE_IN_ROOT). Negative errno.
[[nodiscard]] int open_in_root(int root, const char* path) noexcept;

/// O_PATH descriptor of a path on the host that is shown to a jail. A symbolic link on the way must
/// be root's: one that a service planted in a directory of its own would choose for us (-EBADR,
/// kForeignLink). In a new user namespace (among `namespaces`, CLONE_NEW*) owners cannot be told
/// apart, so no link is followed there at all (-ELOOP).
[[nodiscard]] int open_source(const char* path, std::uint64_t namespaces) noexcept;

enum class Missing {
    kFail,           ///< -ENOENT
    kMakeDirectory,  ///< make what is missing; the last component is a directory
    kMakeFile,       ///< … an empty file
};

/// The same, making what is missing. With `through_read_only` a root that was made read-only is
/// writable for the moment of the making; nobody else is in this mount namespace yet.
[[nodiscard]] int open_target(const MountState& state, const char* path, Missing missing,
                              bool through_read_only) noexcept;

/// S_IFMT bits of what an O_PATH descriptor refers to, or a negative errno.
[[nodiscard]] int file_type(int fd) noexcept;

}  // namespace jailsvc::jailer
