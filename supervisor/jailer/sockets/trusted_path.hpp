#pragma once

#include <string>

#include "base/result.hpp"

namespace jailsvc::jailer {

/// Makes the directory that the file is to be in, as far as it is missing, and sees to it that
/// nobody but root can write in any directory on the way there, symbolic links followed: then the
/// path leads where it leads now whatever others do.
[[nodiscard]] Result<void> make_trusted_parent(const std::string& path);

}  // namespace jailsvc::jailer
