#pragma once

#include <string>
#include <utility>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::ctl {

/// A packet socket pair whose both ends stamp credentials on what they receive, so that the jailer
/// learns from the kernel who has sent it (unix(7), SO_PASSCRED). The second is for the supervisor.
[[nodiscard]] Result<std::pair<Fd, Fd>> credential_pair();

/// Sends `bytes` and the three descriptors.
[[nodiscard]] Result<void> send_with_stdio(int socket, const std::string& bytes,
                                           const int (&stdio)[3]);

/// A pair in which the three wait for the jailer, for the next start of the unit.
[[nodiscard]] Result<std::pair<Fd, Fd>> lend_stdio(const std::string& unit, const int (&stdio)[3]);

}  // namespace jailsvc::ctl
