#pragma once

#include <vector>

#include "base/places.hpp"
#include "doctor/probe.hpp"

namespace jailsvc::doctor {

/// What the supervisor itself needs of this machine, tried.
[[nodiscard]] std::vector<Attempt> core_probes(const Places& places);

}  // namespace jailsvc::doctor
