#pragma once

#include <climits>
#include <cstdint>

/// [child] Where a path of the jail leads: the symbolic links on its way one by one.
namespace jailsvc::jailer {

/// A symbolic link that was met, by its own path (without links before it) and what it says.
/// Returns 0, or a negative errno that ends the walk.
struct LinkVisitor {
    int (*visit)(void* context, const char* path, const char* target) noexcept;
    void* context;
};

/// What a path turned out to be.
struct Resolved {
    int fd = -1;          ///< O_PATH, or a negative errno
    char path[PATH_MAX];  ///< without links; "" for the root itself
};

/// Resolves a jail path below `root`. A link on the way must be root's: one that a service planted
/// in a directory of its own would choose for us (-EBADR, kForeignLink). In a user namespace (among
/// `namespaces`) also nobody's: an owner whom the jail has no number for is none of its processes.
/// Leading up out of the root is staying at it, as in openat2(2), RESOLVE_IN_ROOT.
void resolve_in_root(int root, const char* path, std::uint64_t namespaces, Resolved& resolved,
                     const LinkVisitor* visitor = nullptr) noexcept;

}  // namespace jailsvc::jailer
