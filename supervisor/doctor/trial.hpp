#pragma once

#include "base/places.hpp"
#include "doctor/probe.hpp"

namespace jailsvc::doctor {

/// Runs /bin/true in a jail of the profile, with the real four processes on a state directory of
/// their own, and ends and removes all of it.
[[nodiscard]] Attempt jailed_trial(const Places& places, std::string profile);

}  // namespace jailsvc::doctor
