#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace jailsvc::egress {

/// Tells the supervisor: sd_notify(3), with descriptors for its store. Where there is none, nothing
/// is told.
[[nodiscard]] Result<void> notify(std::string_view text, const std::vector<int>& fds = {});

}  // namespace jailsvc::egress
