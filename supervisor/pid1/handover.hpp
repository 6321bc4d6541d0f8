#pragma once

#include <sys/types.h>

#include "ipc/messages.hpp"

/// What one program of PID 1's life leaves to the next, which it executes under the same pid:
///
///   jailsvc-init         boot/    options, places, what has to be made once
///    └─ jailsvc-keeper   keeper/  the loop: all of the supervisor's life
///        └─ jailsvc-end  ending/  ends what is left, then the machine
///
/// Every signal stays blocked meanwhile, so that none is lost; that we are the subreaper of what we
/// start stays too (prctl(2)).
namespace jailsvc::pid1 {

inline constexpr char kTitle[] = "jailsvc-init";   ///< argv[0] and name of all three, for ps
inline constexpr char kControlName[] = "control";  ///< of the socket in the run directory

/// Descriptors by number. To the keeper all of them; to the end kRunFd and, with any number above,
/// the channels of the three.
inline constexpr int kRunFd = 3;      ///< run directory, locked until it is closed
inline constexpr int kEndFd = 4;      ///< jailsvc-end, to be executed when no disk may be left
inline constexpr int kControlFd = 5;  ///< listening control socket
inline constexpr int kStateFd = 6;    ///< memfd of the engine's records
inline constexpr int kSignalsFd = 7;  ///< signalfd(2) of SIGCHLD, SIGTERM, SIGINT and SIGPWR

/// Arguments of the keeper: kTitle, jailsvcd's path, room for a role, options for jailsvcd.
inline constexpr int kProgramArgument = 1;
inline constexpr int kRoleArgument = 2;

/// What the end has to know.
struct End {
    ipc::ShutdownKind kind;
    int exit_code;
    pid_t three[3];  ///< engine, jailer, logger; 0: not running
};

/// Whether the descriptors from kRunFd to `last` are what they have to be; they are closed by the
/// next exec then. Else says what is wrong.
[[nodiscard]] bool take_over(int last) noexcept;

/// Lets the descriptor through the next exec.
void leave_open(int fd) noexcept;

/// Makes this process show as kTitle: an exec by descriptor leaves only that one's number.
void show_title() noexcept;

/// Executes jailsvc-end with that and kRunFd. Returns only after an error, which was reported.
void execute_end(const End& end) noexcept;
/// What execute_end() had written into the arguments; false: it was not that.
[[nodiscard]] bool read_end(int argc, char** argv, End& end) noexcept;

}  // namespace jailsvc::pid1
