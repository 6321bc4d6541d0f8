#pragma once

#include <cstdint>

/// Signal::signo beyond those of the kernel, with Whom::kAll: every process of the unit's control
/// group is held where it is, or goes on. Like a signal it is not answered; what came of it the
/// group's files tell, which the engine reads itself.
namespace jailsvc::ipc {

inline constexpr std::int32_t kFreeze = -1, kThaw = -2;

}  // namespace jailsvc::ipc
