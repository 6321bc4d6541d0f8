#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace jailsvc {

/// "SIGTERM", "TERM", "SIGRTMIN+3" or "RTMAX-1" as a signal number.
[[nodiscard]] Result<int> parse_signal(std::string_view text);

/// The name that parse_signal reads.
[[nodiscard]] std::string format_signal(int signo);

}  // namespace jailsvc
