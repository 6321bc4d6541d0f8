#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/document.hpp"

/// Values of keys as they are typed at a command line.
namespace jailsvc::config {

/// Who is told what is wrong, and what the place is called there.
struct TypedFrom {
    const char* name;
    Reporter& reporter;
};

/// The schema says what is a number and what a string; a list or map is written in TOML ("[...]",
/// "{...}"). nullopt where it was reported.
[[nodiscard]] std::optional<Value> typed_value(const Schema& schema, std::string_view table,
                                               const Key& key, const std::string& text,
                                               const TypedFrom& from);

}  // namespace jailsvc::config
