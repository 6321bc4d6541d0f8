#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace jailsvc::config {

enum class KeyType : std::uint8_t {
    kBool,
    kInteger,
    kString,
    kStringList,
    kDuration,   ///< "200ms", or a number of seconds
    kBytes,      ///< "512M", or a number of bytes
    kStringMap,  ///< table of string values
    kCommand,    ///< argv array
    kCommands,   ///< argv array, or array of argv arrays
    kIntegerList,
};

/// Name of the key (of type kStringMap) that stands for every name of its table which no other key
/// has, such as the paths of [jail.unveil]; each of them is a string. Names that a key could have
/// ([a-z][a-z0-9_]*) are not among them, so that a misspelt key is still found.
inline constexpr std::string_view kRestKey = "*";

/// One key of a unit file, described once: checking, `explain`, docs/UNITS.md and the JSON Schema
/// all come from here.
struct Key {
    std::string name;
    KeyType type = KeyType::kString;
    std::string fallback = {};              ///< default as one would write it; empty: none
    std::string doc = {};                   ///< one line
    std::vector<std::string> choices = {};  ///< for kString: the allowed values; empty: any
    bool integers = true;                   ///< for kStringMap: whether integers stand for strings
};

/// One table: "service", "jail.chroot".
struct Table {
    std::string name;
    std::string doc = {};
    std::vector<Key> keys = {};
    std::string plugin = {};  ///< "core", or the plugin that owns it
};

/// Every table that this installation understands: the core's plus one per loaded plugin.
struct Schema {
    std::vector<Table> tables;

    [[nodiscard]] const Table* find(std::string_view table) const;
    /// A key by its full name ("service.restart"); nullptr where there is none.
    [[nodiscard]] const Key* find_key(std::string_view table, std::string_view key) const;
};

/// Whether a name can be that of a key or table: [a-z][a-z0-9_]*, at most 31 bytes.
[[nodiscard]] bool is_schema_name(std::string_view name);

/// The tables of the core alone.
[[nodiscard]] const Schema& core_schema();

/// Plugin tables <-> the JSON text that the jailer sends the engine.
[[nodiscard]] std::string to_json(const std::vector<Table>& tables);
[[nodiscard]] Result<std::vector<Table>> tables_from_json(std::string_view json);

}  // namespace jailsvc::config
