#pragma once

#include <string>
#include <vector>

namespace jailsvc::doctor {

/// `jailsvcd doctor [OPTIONS] [--json] [--colour]`: tries on this machine what the core and each
/// plugin need, and prints what works, what does not, and the cure. 0: everything works or does
/// not apply; 1: something fails; 2: usage.
[[nodiscard]] int doctor(std::vector<std::string> arguments);

}  // namespace jailsvc::doctor
