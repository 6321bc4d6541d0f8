#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/unit.hpp"
#include "ipc/messages.hpp"
#include "jailer/jail/jail.hpp"

/// What exactly is executed for a start: command and environment.
namespace jailsvc::jailer {

inline constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The service's command of that purpose; an error if it has none with that index.
[[nodiscard]] Result<config::Command> command_of(const config::ServiceCommands& service,
                                                 ipc::Purpose purpose, std::uint16_t index);

using Environment = std::map<std::string, std::string>;

/// What every process of the unit gets: a PATH, and what the plan says of the unit's [environment]
/// and its plugins.
[[nodiscard]] Environment base_environment(const Plan& plan);

/// Adds what systemd.exec(5) tells exec_stop_post about the end of the service: SERVICE_RESULT,
/// EXIT_CODE, EXIT_STATUS. `result`: what is known better than by the status; empty: nothing.
void add_exit_variables(Environment& environment, const config::ServiceCommands& service,
                        int wait_status, std::string_view result = {});

/// Adds "NAME=VALUE" variables; what is not of that form is passed over.
void add_variables(Environment& environment, const std::vector<std::string>& variables);

[[nodiscard]] std::vector<std::string> to_strings(const Environment& environment);

}  // namespace jailsvc::jailer
