#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "jailer/jail/jail_view.hpp"

namespace jailsvc::jailer {

/// A mount namespace with nothing in it but an empty, read-only tmpfs. A jail's init that starts
/// from a copy of it never has the host's mounts in its own namespace, and so none to get rid of:
/// the jail's root is mounted over the empty one, as a machine's root is over its initramfs
/// (switch_root(8)). Getting rid of a tree is what costs: umount2(2) waits for every processor
/// (synchronize_rcu_expedited in the kernel's namespace_unlock), and pivot_root(2) goes through
/// every thread of the machine (chroot_fs_refs).
///
/// What lies below a jail's root cannot be seen in its mountinfo. So this serves only where the
/// kernel tells it in another way: listmount(2) and statmount(2) of another namespace, with the
/// source of a file system (Linux 6.13).
class Ground {
public:
    /// `stage` is an empty directory. An error says what this machine lacks: then jails are made
    /// with pivot_root.
    [[nodiscard]] static Result<Ground> make(const std::string& stage);

    /// For setns(2).
    [[nodiscard]] int mount_namespace() const { return namespace_.get(); }

private:
    explicit Ground(Fd of) : namespace_(std::move(of)) {}

    Fd namespace_;
};

/// nullopt: the mount namespace of `view` contains nothing but what its root shows, and below that
/// root at most two tmpfs of our own: the ground and the one that files and masks are in. It may
/// also have been made with pivot_root, by an earlier jailer. Where there is a ground, the kernel
/// can tell.
[[nodiscard]] std::optional<JailFailure> attest_nothing_hidden(const JailView& view);

/// Whether a jail of that plan starts from the ground. Not with a user namespace of its own, which
/// may not enter it; nor with a view, whose jail has a tree to get rid of anyway.
[[nodiscard]] bool stands_on_ground(const SpawnContext& context, const CompiledPlan& plan);

}  // namespace jailsvc::jailer
