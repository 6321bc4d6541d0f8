#pragma once

#include "selftest/site.hpp"

namespace jailsvc::test {

using selftest::Ran;
using selftest::Site;

/// Whether the kernel's Landlock has all that this version has; says why the test, or a part of it,
/// is skipped if not. [jail.unveil] takes version 3, Linux 6.2.
[[nodiscard]] bool has_landlock(int version);

/// Whether this process may make jails; says why the test is skipped if not.
[[nodiscard]] bool can_jail();

}  // namespace jailsvc::test
