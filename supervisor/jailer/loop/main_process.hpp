#pragma once

#include "jailer/loop/core.hpp"
#include "jailer/loop/jails.hpp"

/// Main processes that were not launched as such: a service has named it, or left it behind.
namespace jailsvc::jailer {

/// Answers by FoundMain. What is found lives in the unit's jail, whatever was said about it: its
/// pidfd is kept, and it is a member of the jail from here on.
void find_main(Core& core, Jails& jails, const ipc::FindMain& request);

}  // namespace jailsvc::jailer
