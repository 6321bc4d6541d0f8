#pragma once

#include <string>
#include <string_view>

#include "jailer/plan/plan.hpp"

/// For check_op: what the table of kinds cannot say.
namespace jailsvc::jailer {

/// An absolute path, written out, that the kernel can take.
[[nodiscard]] Result<void> check_path(const Op& op, std::string_view field,
                                      const std::string& path);

/// Ranges and forms of the operation's numbers and texts.
[[nodiscard]] Result<void> check_values(const Op& op);

}  // namespace jailsvc::jailer
