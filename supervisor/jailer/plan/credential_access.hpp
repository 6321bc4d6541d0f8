#pragma once

#include <span>
#include <vector>

#include "base/result.hpp"
#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// A plan with JSV_OP_CREDENTIALS lets the program reach them: where there is a view they are shown
/// in it, where Landlock is asked about reading it allows that. Before order_operations.
void open_to_credentials(std::vector<Op>& ops);

/// Each credential is in the one directory there is, under a name of its own; they are not too
/// many.
[[nodiscard]] Result<void> check_credentials(std::span<const Op> ops);

}  // namespace jailsvc::jailer
