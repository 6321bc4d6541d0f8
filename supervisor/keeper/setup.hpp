#pragma once

#include <linux/limits.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>

/// What is done once, before the loop: options, places, descriptors.
namespace jailsvc::keeper {

struct Options {
    char run[100];           ///< run directory, short enough for a socket's name below it
    char program[PATH_MAX];  ///< jailsvcd
    char* arguments[16];     ///< of jailsvcd: [0] its name, [1] the role, then ours unchanged
    bool quiet;
    rlimit files;  ///< RLIMIT_NOFILE as we found it, for the three
};

/// Reads the command line. -1: go on; else the exit status (after --help, --version or an error,
/// which was reported).
[[nodiscard]] int read_options(int argc, char** argv, Options& options) noexcept;

/// Finds jailsvcd beside this program or in ../lib/jailsvc. Errors are reported.
[[nodiscard]] bool find_program(Options& options) noexcept;

/// The run directory, made if missing and locked for our lifetime against a second supervisor, and
/// the listening socket RUN/control in it. The socket, or -1 after a report.
[[nodiscard]] int open_control(const Options& options) noexcept;
void remove_control(const Options& options) noexcept;

/// memfd of ipc::kStateSize that can neither shrink nor grow, or -1 after a report.
[[nodiscard]] int make_state() noexcept;

/// Open stdio, nothing else inherited; descriptor limit raised to its hard end. Returns the limit.
std::size_t prepare_descriptors(Options& options) noexcept;

/// Starts jailsvcd in that role with stdio and `channel` as descriptor ipc::kKeeperFd, in a session
/// of its own, signals as after boot. The pid, or -1 after a report.
[[nodiscard]] pid_t start_program(Options& options, const char* role, int channel) noexcept;

}  // namespace jailsvc::keeper
