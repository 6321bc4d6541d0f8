#pragma once

#include <cstddef>

/// Reading /proc/mounts and /proc/swaps in place; pure.
namespace jailsvc::ending {

/// Takes the last line off text[0..size), which ends with a newline or not; NUL-terminated.
/// `text` must have room for one more byte.
[[nodiscard]] char* cut_last_line(char* text, std::size_t& size) noexcept;

/// The number-th word of a line, with \ooo decoded as fstab(5) writes space, tab, newline and
/// backslash; null: there are fewer.
[[nodiscard]] char* cut_field(char* line, unsigned number) noexcept;

}  // namespace jailsvc::ending
