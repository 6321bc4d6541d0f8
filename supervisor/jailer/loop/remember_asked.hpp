#pragma once

#include "base/places.hpp"
#include "config/load.hpp"
#include "ipc/messages.hpp"

namespace jailsvc::jailer {

/// Keeps for the next boot what was asked of a unit, as an empty file of root's in places.asked().
/// Of names that no unit has, nothing is kept. What goes wrong is logged.
void remember_asked(const Places& places, const config::Sources& sources,
                    const ipc::Remember& request);

}  // namespace jailsvc::jailer
