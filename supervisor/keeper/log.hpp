#pragma once

namespace jailsvc::keeper {

/// One line to stderr in one write(2); lost rather than waited for when nobody reads it.
[[gnu::format(printf, 1, 2)]] void log(const char* format, ...) noexcept;

}  // namespace jailsvc::keeper
