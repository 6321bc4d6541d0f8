#pragma once

#include <cstdint>
#include <vector>

/// What is known of system calls: which are several in one, and how they can fail.
namespace jailsvc::faults {

/// The argument that tells what such a call does (prctl(2), ioctl(2)); 0 where it is one call.
[[nodiscard]] std::uint64_t variant_of(std::uint16_t number, std::uint64_t first,
                                       std::uint64_t second);

/// Which argument is the path that an error has to name; -1: none.
[[nodiscard]] int path_argument(std::uint16_t number);

/// Whether its first argument is a descriptor, whose file an error is about.
[[nodiscard]] bool is_about_descriptor(std::uint16_t number);

/// The errors to try: EPERM and ENOMEM, what a call that makes a descriptor, waits, or takes room
/// on a file system can return besides, and none for a call that cannot fail.
[[nodiscard]] std::vector<int> errors_of(std::uint16_t number, std::uint64_t variant);

}  // namespace jailsvc::faults
