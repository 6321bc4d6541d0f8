#pragma once

#include "engine/methods.hpp"

namespace jailsvc::engine::methods {

// Those that show what the engine knows of units; they change nothing.
void status(const Parts& parts, Request& request);
void dependencies(const Parts& parts, Request& request);
/// Goes on replying until the client has enough.
void monitor(const Parts& parts, Request& request);
void processes(const Parts& parts, Request& request);
void list_sockets(const Parts& parts, Request& request);
void list_timers(const Parts& parts, Request& request);
void show(const Parts& parts, Request& request);

}  // namespace jailsvc::engine::methods
