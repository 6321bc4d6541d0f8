#pragma once

#include <string>

#include "jailer/child/landlock_rights.hpp"

namespace jailsvc::jailer {

/// Why a kernel whose Landlock has this version (negative: it has none) cannot confine as is
/// wanted, and what to do about it.
[[nodiscard]] std::string landlock_cure(const landlock::Rights& wanted, long abi);

}  // namespace jailsvc::jailer
