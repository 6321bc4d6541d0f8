#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/diagnostic.hpp"

namespace jailsvc::config {

struct Raw;
using RawList = std::vector<Raw>;
struct RawEntry;
using RawTable = std::map<std::string, RawEntry, std::less<>>;
/// Dates and times: TOML knows them, no key of ours takes one.
struct RawOther {};

/// A TOML value as it was written, with its place; the TOML library ends here.
struct Raw {
    Where where;
    std::variant<RawOther, bool, std::int64_t, double, std::string, RawList, RawTable> data;

    /// "a string", "a table", … for messages.
    [[nodiscard]] std::string_view type_name() const;
};

struct RawEntry {
    Where key;
    Raw value;
};

inline constexpr std::size_t kMaxFileSize = 1U << 20;  ///< [bytes]
inline constexpr std::size_t kMaxNesting = 16;         ///< of brackets, and of dots in one key

/// Parses TOML; nullopt after a syntax error (the parser stops at its first), which is reported.
/// Takes any bytes: size, nesting and dotted keys are capped before the library sees them.
[[nodiscard]] std::optional<RawTable> parse_toml(const SourceText& source, Reporter& reporter);

}  // namespace jailsvc::config
