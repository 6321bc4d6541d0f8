#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "jailer/plan/plan.hpp"

/// What operations of one plan need of each other.
namespace jailsvc::jailer {

/// "KIND: WHY".
[[nodiscard]] std::unexpected<Error> refuse(const Op& op, std::string_view why);

/// Without a namespace of its own, of the CLONE_NEW* `present`, an operation would change the host.
[[nodiscard]] Result<void> check_namespaces(const Op& op, std::uint64_t present);

/// Of all operations, in their order.
[[nodiscard]] Result<void> check_relations(std::span<const Op> ops);

}  // namespace jailsvc::jailer
