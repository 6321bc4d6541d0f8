#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::jailer {

/// Who else may read a file that a credential comes from.
enum class Readers {
    kNotEverybody,  ///< a plain secret: a file that everybody can read is refused
    kAnybody        ///< it is encrypted
};

/// Opens the regular file at an absolute path for reading. It and every directory on the way must
/// be root's (or this process's user's) and closed to writing by others, and none a symbolic link:
/// whoever could put another file there would choose what a service gets to read. Judged on what is
/// opened, one directory after the other.
[[nodiscard]] Result<Fd> open_secret_file(const std::string& path, Readers readers);

}  // namespace jailsvc::jailer
