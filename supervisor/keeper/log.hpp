#pragma once

namespace jailsvc::keeper {

/// One line to stderr in one write(2); lost rather than waited for when nobody reads it. Returns
/// -1, so that an error path may `return log(…)`.
[[gnu::format(printf, 1, 2)]] int log(const char* format, ...) noexcept;

}  // namespace jailsvc::keeper
