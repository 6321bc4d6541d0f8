#pragma once

#include <string>
#include <vector>

#include "base/places.hpp"
#include "config/unit.hpp"
#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// Where a unit with a tree of its own finds its notify socket: systemd.io/CONTAINER_INTERFACE has
/// /run/host for what comes from outside.
inline constexpr const char* kNotifyDirectory = "/run/host/notify";
inline constexpr const char* kNotifyName = "socket";
inline constexpr const char* kNotifyVariable = "NOTIFY_SOCKET";

/// Adds to the plan of a unit that is to have a notify socket what lets its program reach that: the
/// directory it is in, bound into the jail and shown in its view, and the variables that name it.
/// Before order_operations.
void open_to_notify(std::vector<Op>& ops, const config::Unit& unit, const Places& places);

/// The host directory of that unit's socket, below one of the places' roots.
[[nodiscard]] std::string notify_directory(const Places& places, const std::string& unit,
                                           bool own_tree);

}  // namespace jailsvc::jailer
