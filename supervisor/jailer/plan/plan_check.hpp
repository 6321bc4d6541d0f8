#pragma once

#include <cstddef>

#include "base/result.hpp"
#include "jailer/plan/plan.hpp"

/// What every plan has to satisfy, whoever made it. Checked where a plugin adds an operation, so
/// that the plugin learns at once, and again by the jailer on what its worker hands back.
namespace jailsvc::jailer {

inline constexpr std::size_t kMaxOps = 4096;
inline constexpr std::size_t kMaxText = 65536;          ///< one text of an operation [bytes]
inline constexpr std::size_t kMaxBlob = 65536;          ///< [bytes]
inline constexpr std::size_t kMaxPluginName = 31;       ///< [bytes]
inline constexpr std::size_t kMaxUnitName = 127;        ///< [bytes]
inline constexpr std::size_t kMaxPlanBytes = 4U << 20;  ///< serialised

/// One operation by itself: known kind, its own stage, absolute paths without "..", values in
/// range, nothing in fields that its kind does not use.
[[nodiscard]] Result<void> check_op(const Op& op);

/// All operations, in the order of application: stages rise; at most one root, before every other
/// mount; operations that would change the host without a namespace of the jail's own have it.
[[nodiscard]] Result<void> check_plan(const Plan& plan);

/// Puts operations in the order of application: by stage, plugin name, order of addition. The
/// root comes first in its stage, so that plugins named before "chroot" can mount too.
void order_operations(std::vector<Op>& ops);

}  // namespace jailsvc::jailer
