#pragma once

#include "engine/methods.hpp"

namespace jailsvc::engine::methods {

// Those about jobs, which `jailsvc run` makes.
void run_job(const Parts& parts, Request& request);
void wait_job(const Parts& parts, Request& request);
void list_jobs(const Parts& parts, Request& request);
void remove_jobs(const Parts& parts, Request& request);

}  // namespace jailsvc::engine::methods
