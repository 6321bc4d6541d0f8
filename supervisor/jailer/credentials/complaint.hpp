#pragma once

#include <span>
#include <string>

namespace jailsvc::jailer {

/// Of a command that failed: the last line that it wrote to its standard error, for people, at most
/// kMaxComplaint bytes of printable ASCII; empty where it wrote none. `fd` is read without waiting.
/// A line in which a word of `output` turns up, what it wrote to its standard output, may tell a
/// secret: then that is said in its place.
[[nodiscard]] std::string complaint(int fd, std::span<const unsigned char> output);

inline constexpr std::size_t kMaxComplaint = 256;

}  // namespace jailsvc::jailer
