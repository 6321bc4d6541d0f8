#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "import/compose_values.hpp"
#include "import/directive.hpp"

namespace jailsvc::import {

/// A service of a compose file on its way to a unit.
struct Service {
    std::string name;
    Draft& draft;
    const ComposeContext& context;
    std::vector<std::string> entrypoint, command;
    std::vector<std::string> needs;  ///< other services
};

struct ComposeRow {
    std::string_view name;
    Verdict (*take)(Service& service, const YAML::Node& node, const char* key);
    const char* key = "";
};
/// Of compose_places.cpp: where a service is reached, and what it keeps.
[[nodiscard]] Verdict take_ports(Service& service, const YAML::Node& node, const char* key);
[[nodiscard]] Verdict take_volumes(Service& service, const YAML::Node& node, const char* key);

/// nullptr: no such key.
[[nodiscard]] const ComposeRow* find_compose_row(std::string_view name);

}  // namespace jailsvc::import
