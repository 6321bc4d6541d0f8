#pragma once

#include <string>
#include <vector>

namespace jailsvc::jailer {

/// The command line of a tool: options of Places, and the rest.
struct ToolArguments {
    std::vector<std::string> options;
    std::vector<std::string> rest;
};

/// Options come with a value each, but --quiet; everything else is the rest. "--" ends the options.
[[nodiscard]] ToolArguments split_arguments(const std::vector<std::string>& arguments);

}  // namespace jailsvc::jailer
