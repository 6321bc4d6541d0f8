#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/diagnostic.hpp"
#include "config/raw.hpp"
#include "config/schema.hpp"

namespace jailsvc::config {

struct Text {
    std::string text;
    Where where;
};
using TextList = std::vector<Text>;
using TextMap = std::map<std::string, Text, std::less<>>;
using IntegerList = std::vector<std::int64_t>;

/// A key's value in the form that its KeyType has: kBool bool, kInteger integer, kString, kDuration
/// and kBytes Text, kStringList and kCommand TextList, kStringMap TextMap, kIntegerList
/// IntegerList, kCommands list of TextList. Numbers given for durations and sizes became text.
struct Value {
    Where where;
    std::variant<bool, std::int64_t, Text, TextList, TextMap, IntegerList, std::vector<TextList>>
        data;
};

struct Section {
    Where where;
    bool incomplete = false;  ///< a value was reported and left out
    bool flawed = false;      ///< something in it was reported, be it the name of a key
    std::map<std::string, Value, std::less<>> keys;
};

/// One file, or several made into one: sections by their full names ("service", "jail.chroot").
/// Every key is known to the schema and has its type.
struct Document {
    std::map<std::string, Section, std::less<>> sections;

    [[nodiscard]] const Value* find(std::string_view section, std::string_view key) const;
    /// The text of a string key; nullptr if absent.
    [[nodiscard]] const Text* find_text(std::string_view section, std::string_view key) const;
};

inline constexpr std::size_t kMaxListEntries = 1024;
inline constexpr std::size_t kMaxMapName = 1024;  ///< [bytes]

/// Brings parsed TOML into the schema's form. Unknown tables and keys, wrong types and too long
/// lists are reported and left out.
[[nodiscard]] Document read_document(const RawTable& raw, const Schema& schema, Reporter& reporter);

/// Puts `over` on top: keys replace (lists as a whole), maps are merged entry by entry.
void merge(Document& base, const Document& over);

/// Canonical TOML: sections and keys sorted, one way to write each value.
[[nodiscard]] std::string to_toml(const Document& document);

/// The same, and each key that is not written with its default, marked as such: every setting that
/// holds. A target has the tables of one alone.
[[nodiscard]] std::string to_toml_with_defaults(const Document& document, const Schema& schema);

}  // namespace jailsvc::config
