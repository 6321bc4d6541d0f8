#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace jailsvc::config {

struct TextPlace {
    std::uint32_t line = 1;
    std::uint32_t column = 1;
};

/// The first place where TOML text has more than `limit` open brackets, or more than `limit` dots
/// in one key. toml++ 3.3 limits values but not dotted keys (`a.a.a.… = 1`), whose tables it then
/// destroys recursively: a 1 MiB file would overflow the stack.
[[nodiscard]] std::optional<TextPlace> find_deep_nesting(std::string_view text, std::size_t limit);

}  // namespace jailsvc::config
