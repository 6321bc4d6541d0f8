#pragma once

#include <sys/types.h>

#include "base/places.hpp"

namespace jailsvc::jailer {

/// The supervisor of this keeper has ended, and no jail of it is left: removes what the jailer made
/// below the run directory. Where another supervisor has begun in its place already, nothing is
/// removed.
void remove_left_behind(const Places& places, pid_t keeper);

}  // namespace jailsvc::jailer
