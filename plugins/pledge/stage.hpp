#pragma once

#include <jailsvc_plugin.hpp>

#include "promises.hpp"

/// The second stage: promises that hold from main on, stricter than what the loader needs.
namespace pledge {

/// What the loader needs of the kernel besides what stdio gives (ld.so(8)).
inline constexpr Promises kForLoader = kRpath | kProtExec;

/// Refuses units in which it cannot be: their programs are not dynamic, or execute others.
void check_second_stage(jsv::Planner& plan, Promises promises);

/// Shows the object that is preloaded to the jail, and has it preloaded.
void add_preload(jsv::Planner& plan);

}  // namespace pledge
