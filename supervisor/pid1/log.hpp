#pragma once

#include <cstdarg>
#include <cstddef>

namespace jailsvc::pid1 {

/// One line to stderr in one write(2); lost rather than waited for when nobody reads it. Returns
/// -1, so that an error path may `return log(…)`. Knows %s %d %u %ld %zu.
[[gnu::format(printf, 1, 2)]] int log(const char* format, ...) noexcept;

/// The same into a buffer, cut to fit and NUL-terminated; the length.
[[gnu::format(printf, 3, 4)]] std::size_t print(char* out, std::size_t size, const char* format,
                                                ...) noexcept;
std::size_t print_list(char* out, std::size_t size, const char* format,
                       std::va_list arguments) noexcept;

/// What an errno means, for the few that starting a program or sending a message ends with.
[[nodiscard]] const char* error_text(int code) noexcept;

/// A decimal number of digits alone up to 2^31 - 1, or -1.
[[nodiscard]] int parse_number(const char* text) noexcept;

}  // namespace jailsvc::pid1
