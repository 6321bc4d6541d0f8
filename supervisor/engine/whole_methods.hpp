#pragma once

#include "engine/methods.hpp"

namespace jailsvc::engine::methods {

// Those about the supervisor as a whole.
void daemon_reload(const Parts& parts, Request& request);
void version(const Parts& parts, Request& request);
void shutdown(const Parts& parts, Request& request);

}  // namespace jailsvc::engine::methods
