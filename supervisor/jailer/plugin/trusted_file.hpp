#pragma once

#include <sys/stat.h>

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

/// Files that decide what runs belong to root, or to the user this process runs as, and nobody
/// else can write them; judged on the open descriptor, so that nothing can be swapped in between.
namespace jailsvc::jailer {

/// Opens regular file `name` in directory `dir` (AT_FDCWD: by itself) without following a symlink
/// at its end; `shown` is its path for errors.
[[nodiscard]] Result<Fd> open_trusted_file(int dir, const std::string& name,
                                           const std::string& shown);

[[nodiscard]] Result<Fd> open_trusted_directory(const std::string& path);

}  // namespace jailsvc::jailer
