#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jailer/jail/attest_mounts.hpp"

/// The part of attest_mounts that is about JSV_OP_VIEW: what exists in the jail at all.
namespace jailsvc::jailer {

/// A tree that an operation before the view made, and whether it was to be writable.
struct MadeTree {
    std::string path;
    bool writable;
};

/// Whether the plan has a view of its own in which not everything is shown.
[[nodiscard]] bool has_view(const Plan& plan);

/// Whether a place is the view's own, empty, part: nothing of what was made there is shown.
[[nodiscard]] bool is_hidden_by_view(const Plan& plan, const JailView& view, const Place& place);

/// nullopt: the root is the view, read-only; every mount in it belongs to a JSV_OP_REVEAL, is as
/// read-only and closed to execution as that says, and no more writable than `made` says.
[[nodiscard]] std::optional<JailFailure> attest_view(const Plan& plan, const JailView& view,
                                                     const std::vector<MadeTree>& made,
                                                     std::vector<JailFailure>& weakened);

}  // namespace jailsvc::jailer
