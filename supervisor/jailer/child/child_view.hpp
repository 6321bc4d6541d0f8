#pragma once

#include "jailer/child/child_mounts.hpp"

/// [child] A root in which only what was asked for exists: an empty tmpfs, to which parts of the
/// tree that the other operations have made are bound.
namespace jailsvc::jailer {

/// JSV_OP_VIEW. What is made after it is not in the view.
[[nodiscard]] Outcome apply_view(MountState& state, const ChildOp& op,
                                 std::uint32_t index) noexcept;

/// JSV_OP_REVEAL. Links on the way are made anew in the view; where they lead is what will be
/// bound.
[[nodiscard]] Outcome apply_reveal(MountState& state, const ChildOp& op,
                                   std::uint32_t index) noexcept;

/// The operation whose part is to be bound next: outer ones come first, by where their paths lead,
/// since what is bound covers what was bound inside. The number of operations when all are.
[[nodiscard]] std::uint32_t next_reveal(const MountState& state) noexcept;
[[nodiscard]] Outcome attach_reveal(MountState& state, std::uint32_t index) noexcept;

/// Nothing can be made in it any more.
[[nodiscard]] Outcome seal_view(const MountState& state) noexcept;

}  // namespace jailsvc::jailer
