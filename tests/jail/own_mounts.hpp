#pragma once

#include <functional>

namespace jailsvc::test {

/// Runs in a child with mounts of its own: the machine's are never touched. A REQUIRE that fails
/// there is an exception, and fails the test; a CHECK there is not seen.
void in_own_mounts(const std::function<void()>& arrange, const std::function<void()>& body);

// For `arrange`.
/// The unified hierarchy and nothing else, as on a machine that has no v1.
void show_only_v2();
/// v1 alone, as on a machine that has no v2.
void hide_v2();

}  // namespace jailsvc::test
