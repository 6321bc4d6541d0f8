#pragma once

#include <string>
#include <string_view>

#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

/// "mount /srv/web at /data", "limit 7": an operation or step as people call it.
[[nodiscard]] std::string name_of(const Plan& plan, std::uint32_t op);

/// A failure of an operation or step with an errno. `what` names the path or call at fault.
[[nodiscard]] JailFailure failed(std::uint32_t op, std::string_view what, int code);
/// Attest saw something else than the plan asked for.
[[nodiscard]] JailFailure not_held(std::uint32_t op, std::string text);

/// What a child said of itself. The packet came from our own code, but is checked all the same: the
/// index must be one of the plan's.
[[nodiscard]] JailFailure from_report(const Plan& plan, const GateReport& report);

}  // namespace jailsvc::jailer
