#pragma once

#include <linux/limits.h>

#include <cstddef>

#include "pid1/handover.hpp"

namespace jailsvc::boot {

struct Options {
    char run[100];       ///< run directory, short enough for a socket's name below it
    const char* config;  ///< --config DIR; null: the installed places
    /// Of the keeper, see pid1/handover.hpp: our own options follow its first three.
    char* arguments[16];
    std::size_t count;  ///< of them
};

/// Reads the command line. -1: go on; else the exit status (after --help, --version or an error,
/// which was reported).
[[nodiscard]] int read_options(int argc, char** argv, Options& options) noexcept;

}  // namespace jailsvc::boot
