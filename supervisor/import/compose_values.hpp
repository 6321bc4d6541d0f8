#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "import/compose.hpp"

namespace jailsvc::import {

/// A mapping in the order of the file, with what "<<" merges into it.
using Entries = std::vector<std::pair<std::string, YAML::Node>>;
[[nodiscard]] Entries entries_of(const YAML::Node& map);

/// "${NAME}", "${NAME:-otherwise}", "${NAME:?why}", "$NAME" replaced; "$$" is a dollar.
[[nodiscard]] Result<std::string> interpolated(const std::string& text,
                                               const ComposeContext& context);

/// A scalar as text, its variables replaced.
[[nodiscard]] Result<std::string> scalar_of(const YAML::Node& node, const ComposeContext& context);
/// A list of scalars, or one scalar.
[[nodiscard]] Result<std::vector<std::string>> list_of(const YAML::Node& node,
                                                       const ComposeContext& context);
/// A mapping of scalars, or a list of "NAME=VALUE"; a name without a value has the variable's.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> pairs_of(
    const YAML::Node& node, const ComposeContext& context);

/// Absolute: "./data" is beside the file.
[[nodiscard]] std::string path_from(const std::string& path, const ComposeContext& context);

/// On one line, for notes.
[[nodiscard]] std::string shown_node(const YAML::Node& node);

}  // namespace jailsvc::import
