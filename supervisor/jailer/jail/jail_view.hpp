#pragma once

#include <sys/stat.h>

#include <string>

#include "base/fd.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/jail/mount_table.hpp"

namespace jailsvc::jailer {

/// Where a mount operation turned out to be.
struct Place {
    Fd fd;  ///< O_PATH; empty: the path is not there
    struct statx status{};
    const MountEntry* mount = nullptr;
};

/// A stub's file system, seen from outside.
class JailView {
public:
    [[nodiscard]] static Jailed<JailView> open(pid_t stub);

    /// Resolves a jail path as the child did, symlinks staying below the root. ENOENT: empty `fd`.
    [[nodiscard]] Jailed<Place> find(std::uint32_t op, const std::string& path) const;
    [[nodiscard]] const MountTable& table() const { return table_; }
    [[nodiscard]] pid_t stub() const { return stub_; }
    [[nodiscard]] int root() const { return root_.get(); }
    /// Id of the mount that its root directory is in.
    [[nodiscard]] std::uint64_t root_mount() const { return root_mount_; }

private:
    JailView(pid_t stub, Fd root, std::uint64_t root_mount, MountTable table)
        : stub_(stub), root_(std::move(root)), root_mount_(root_mount), table_(std::move(table)) {}

    pid_t stub_;
    Fd root_;
    std::uint64_t root_mount_;
    MountTable table_;
};

/// What the kernel says of a file; AT_* flags as statx(2) takes them.
[[nodiscard]] Jailed<struct statx> status_of(std::uint32_t op, int dir, const std::string& path,
                                             int flags);

}  // namespace jailsvc::jailer
