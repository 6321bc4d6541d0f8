#pragma once

#include <linux/mount.h>

#include <cstdint>

#include "jailer/child/child_mounts.hpp"

/// [child] File systems of the jail's own, by the new mount API (fsopen(2) and its kin).
namespace jailsvc::jailer {

/// Of a bound device. Writing to a device does not write to its mount: read-only keeps the node's
/// owner, mode and times (path_resolution(7); the kernel's sb_permission excepts special files).
inline constexpr unsigned kDeviceAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;

/// One option of a new file system; `value` nullptr: a flag.
struct FsOption {
    const char* name;
    const char* value;
};

/// A detached mount, or a negative errno. `attributes` are MOUNT_ATTR_*.
[[nodiscard]] int new_file_system(const char* type, const FsOption* options, unsigned count,
                                  unsigned attributes) noexcept;
/// `size` 0: the kernel's default. The mount's source says "jailsvc", for attest to find.
[[nodiscard]] int new_tmpfs(std::uint64_t size, unsigned mode, unsigned attributes) noexcept;

/// The device nodes of a jail's /dev; 0 or a negative errno. That needs CAP_MKNOD in the initial
/// user namespace (mknod(2)); without it, and only with `or_bind`, the host's own nodes are bound.
[[nodiscard]] int make_nodes(int dev, bool or_bind) noexcept;

/// Attaches a detached mount at an O_PATH target; 0 or a negative errno.
[[nodiscard]] int attach(int mount, int target) noexcept;
[[nodiscard]] int set_attributes(int mount, unsigned set, unsigned flags,
                                 std::uint64_t propagation) noexcept;

/// What the kernel made of a call: its errno, and where in the operation it happened.
[[nodiscard]] inline Outcome outcome(long result, GateReport::About about) noexcept {
    return {result < 0 ? static_cast<int>(-result) : 0, about};
}

[[nodiscard]] Outcome apply_dev(MountState& state, const ChildOp& op, std::uint32_t index) noexcept;
[[nodiscard]] Outcome apply_sysctl(MountState& state, const ChildOp& op,
                                   std::uint32_t index) noexcept;

}  // namespace jailsvc::jailer
