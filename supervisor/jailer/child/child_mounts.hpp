#pragma once

#include "jailer/child/child_op.hpp"
#include "jailer/child/interpret.hpp"

/// [child] The jail's file system, put together in a mount namespace of its own.
namespace jailsvc::jailer {

/// The root under construction.
struct MountState {
    const StubJob* job = nullptr;
    int stage = -1;       ///< the stage directory, opened while we still were the host's root
    int root = -1;        ///< O_PATH: targets are resolved below it
    int scratch = -1;     ///< our own tmpfs: source of masks and files
    int dev = -1;         ///< mount of JSV_OP_DEV; made read-only at the end
    bool pivots = false;  ///< a JSV_OP_ROOT is to become /
    bool root_read_only = false;
    std::uint32_t files = 0;       ///< made in scratch so far
    int view = -1;                 ///< becomes / in place of `root`
    std::uint64_t view_mount = 0;  ///< its mount's number, as long as it is our own tmpfs
};

/// Step by step, in this order. The first opens everything that lies in the host's tree: later, in
/// a user namespace, we may lack the right to walk there.
[[nodiscard]] Outcome make_private() noexcept;
[[nodiscard]] Outcome open_source_tree(MountState& state, std::uint32_t index) noexcept;
[[nodiscard]] Outcome open_stage(MountState& state) noexcept;
/// In place of the stage, after all sources are open: a namespace without the host's tree.
[[nodiscard]] Outcome enter_ground(MountState& state) noexcept;
[[nodiscard]] Outcome make_scratch(MountState& state) noexcept;
/// No more names in the jail's /dev.
[[nodiscard]] Outcome seal_dev(MountState& state) noexcept;
[[nodiscard]] Outcome apply_mount(MountState& state, std::uint32_t index) noexcept;
[[nodiscard]] Outcome finish_mounts(MountState& state) noexcept;

}  // namespace jailsvc::jailer
