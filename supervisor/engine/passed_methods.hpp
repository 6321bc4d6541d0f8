#pragma once

#include "engine/methods.hpp"

namespace jailsvc::engine::methods {

// Those that the jailer or the logger answers in the end; here is what is asked of them.
void plan(const Parts& parts, Request& request);
void logs(const Parts& parts, Request& request);
void exec(const Parts& parts, Request& request);
void set_property(const Parts& parts, Request& request);

}  // namespace jailsvc::engine::methods
