#pragma once

#include "jailer/child/child_mounts.hpp"

/// [child] A root in which only what was asked for exists: an empty tmpfs, to which parts of the
/// tree that the other operations have made are bound.
namespace jailsvc::jailer {

/// JSV_OP_VIEW. What is made after it is not in the view.
[[nodiscard]] Outcome apply_view(MountState& state) noexcept;

/// JSV_OP_REVEAL. Links on the way are made anew in the view; where they lead is bound there.
[[nodiscard]] Outcome apply_reveal(MountState& state, const ChildOp& op) noexcept;

/// Nothing can be made in it any more.
[[nodiscard]] Outcome seal_view(const MountState& state) noexcept;

}  // namespace jailsvc::jailer
