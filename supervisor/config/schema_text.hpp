#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/schema.hpp"

/// The schema for people and editors; docs/UNITS.md comes from here.
namespace jailsvc::config {

/// Every table and key as one Markdown document.
[[nodiscard]] std::string to_markdown(const Schema& schema);

/// JSON Schema (draft 2020-12) of a unit file, for editors that complete and check TOML by it.
[[nodiscard]] std::string json_schema(const Schema& schema);

/// "string", "list of strings", … for people.
[[nodiscard]] std::string_view describe(KeyType type);

}  // namespace jailsvc::config
