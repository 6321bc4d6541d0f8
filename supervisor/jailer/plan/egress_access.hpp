#pragma once

#include <string>
#include <vector>

#include "base/places.hpp"
#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// Where a unit's jail has the directory of its proxy.
inline constexpr const char* kEgressDirectory = "/run/egress";
inline constexpr const char* kEgressSocket = "proxy.sock";
inline constexpr const char* kEgressPolicy = "policy";
/// The template whose instances are the proxies.
inline constexpr const char* kEgressCompanion = "egress";

/// The host directory of that unit's proxy.
[[nodiscard]] std::string egress_directory(const Places& places, const std::string& unit);

/// Adds to a plan with JSV_OP_EGRESS what lets its programs find the proxy: the directory of its
/// socket, and the variables by which programs know proxies, as far as the unit does not set them
/// itself. Before order_operations.
void open_to_egress(std::vector<Op>& ops, const std::string& unit, const Places& places);

}  // namespace jailsvc::jailer
