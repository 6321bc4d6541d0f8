#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace jailsvc::import {

/// One command of an Exec directive as an argument vector of ours.
struct CommandLine {
    std::vector<std::string> argv;
    std::vector<std::string> notes;  ///< what is lost, or done otherwise
};

/// A command line of systemd.service(5), "COMMAND LINES": prefixes, quotes, variables, specifiers.
/// Variables are replaced by a shell here. Several commands (";") are several.
[[nodiscard]] Result<std::vector<CommandLine>> parse_command_line(std::string_view text);

/// A program of the PATH that jails have, by its name.
[[nodiscard]] std::string path_of_program(const std::string& name);

/// A word for a shell, as it is.
[[nodiscard]] std::string shell_quoted(std::string_view word);

}  // namespace jailsvc::import
