#pragma once

#include "engine/methods.hpp"

namespace jailsvc::engine::methods {

// Those that change what units do. Each answers with an outcome for every unit that was named.
void start(const Parts& parts, Request& request);
void stop(const Parts& parts, Request& request);
void restart(const Parts& parts, Request& request);
void reload(const Parts& parts, Request& request);
void kill(const Parts& parts, Request& request);
void freeze(const Parts& parts, Request& request);
void thaw(const Parts& parts, Request& request);
void reset_failed(const Parts& parts, Request& request);
void trigger(const Parts& parts, Request& request);

}  // namespace jailsvc::engine::methods
