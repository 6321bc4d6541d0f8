#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <vector>

namespace pledge::learn {

/// Where a system call names a path, and what it does there.
struct PathArgument {
    int path;       ///< which argument points to it
    int directory;  ///< which argument is what it is relative to; -1: the working directory
    unsigned uses;  ///< as in Use; 0: it is asked about
    bool parent;    ///< it is the directory around the path that is changed
};

/// None for calls without paths. Flags of open(2) are understood.
[[nodiscard]] std::vector<PathArgument> paths_of(const seccomp_data& data);

}  // namespace pledge::learn
