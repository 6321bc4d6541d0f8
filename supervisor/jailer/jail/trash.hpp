#pragma once

#include <string>

#include "base/result.hpp"

/// Getting rid of what a service left in its directories: at most a rename on the jailer's loop,
/// since a million files, or one of a hundred gigabytes, take the kernel seconds to free.
namespace jailsvc::jailer {

/// Moves a directory into the trash, under a name of no meaning; an error if the two lie in
/// different file systems. `trash` is a directory that is root's alone.
[[nodiscard]] Result<void> throw_away(int parent, const std::string& name,
                                      const std::string& trash);

[[nodiscard]] Result<bool> has_trash(const std::string& trash);

/// Deletes all that is in the trash by now. Takes its time: not for the loop.
[[nodiscard]] Result<void> empty_trash(const std::string& trash);

/// Deletes everything in the directory; follows no symlink, leaves no mount. Takes its time too.
[[nodiscard]] Result<void> empty_directory(int top);

}  // namespace jailsvc::jailer
