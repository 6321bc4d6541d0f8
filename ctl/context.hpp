#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "control/client.hpp"

/// The `jailsvc` command: asks the supervisor and shows what it says.
namespace jailsvc::ctl {

using control::Json;

/// Exit codes: those of LSB init scripts (Linux Standard Base, "Init Script Actions").
inline constexpr int kOk = 0;
inline constexpr int kFailure = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNotPermitted = 4;
inline constexpr int kNoSuchUnit = 5;
inline constexpr int kNotConfigured = 6;  ///< the unit's file has errors
inline constexpr int kNotRunning = 7;
inline constexpr int kNotExecutable = 126;  ///< of `exec`, as a shell has it
inline constexpr int kNotFound = 127;       ///< likewise
inline constexpr int kAlias = 1000;         ///< no exit code: to be asked for by another name
inline constexpr int kStatusStopped = 3;    ///< of `status`: not running
inline constexpr int kStatusUnknown = 4;    ///< of `status`: no such unit, or nobody to ask

/// What every command knows: where the supervisor is and how to speak to the user.
struct Context {
    std::string socket;  ///< --socket PATH; empty: below `state`, or the installed place
    std::string state;   ///< --state DIR, as the supervisor was given it
    std::string config;  ///< --config DIR, likewise
    bool json = false;
    bool colour = false;
};

/// Where the supervisor listens.
[[nodiscard]] std::string socket_of(const Context& context);

/// Connects, or explains what to do.
[[nodiscard]] Result<control::Client> connect(const Context& context);

/// One call; a varlink error in the reply becomes an Error whose code is one of the exit codes.
[[nodiscard]] Result<control::Answer> ask(const Context& context, std::string_view method,
                                          const Json& parameters);

/// The same on a connection that is already there.
[[nodiscard]] Result<control::Answer> ask_on(const Context& context, control::Client& client,
                                             std::string_view method, const Json& parameters);
/// Of an answer that was waited for.
[[nodiscard]] Result<control::Answer> checked(Result<control::Answer> answer);

/// "jailsvc: MESSAGE" on stderr, or for --json an object {"error", "message"} on stdout; the exit
/// code that fits the error.
int report(const Context& context, const Error& error);
[[nodiscard]] Json error_json(const Error& error);

/// The reply as JSON, for --json.
void print_json(const Json& value);

/// One field of a reply, as it is; a name that is none of its fields is an error that lists them.
[[nodiscard]] Result<void> print_value(const Json& object, const std::string& field);

}  // namespace jailsvc::ctl
