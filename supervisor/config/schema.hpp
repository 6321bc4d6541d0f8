#pragma once

#include <array>
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
    /// A unit with keys of the table wants an instance of this template for itself; see
    /// companions.hpp.
    std::string companion = {};
    /// Why the plugin is not there, and the cure; then there are no keys. Empty: it is loaded.
    std::string refusal = {};
};

/// The plugins that every installation has. A jail relies on all of them, also where no table says
/// so (each unit's control group and list of devices): without one, no jail is made.
inline constexpr std::array<std::string_view, 8> kShippedPlugins = {
    "cgroups", "chroot", "credentials", "identity", "namespaces", "network", "pledge", "unveil"};
[[nodiscard]] bool is_shipped_plugin(std::string_view name);

/// Every table that this installation understands: the core's plus one per loaded plugin.
struct Schema {
    std::vector<Table> tables;

    [[nodiscard]] const Table* find(std::string_view table) const;
    /// A key by its full name ("service.restart"); nullptr where there is none.
    [[nodiscard]] const Key* find_key(std::string_view table, std::string_view key) const;
};

/// Whether a name can be that of a key or table: [a-z][a-z0-9_]*, at most 31 bytes.
[[nodiscard]] bool is_schema_name(std::string_view name);

/// Whether a plugin's table can have the name: "jail.NAME" that no key of [jail] has,
/// "jail.OTHER.NAME" below another plugin's, or one at the top that is none of the core's.
[[nodiscard]] bool is_plugin_table(std::string_view name);

/// The tables of the core alone.
[[nodiscard]] const Schema& core_schema();

/// Longest text of a schema [bytes].
inline constexpr std::size_t kMaxSchemaText = 512;

/// Plugin tables <-> the JSON text that the jailer sends the engine.
[[nodiscard]] std::string to_json(const std::vector<Table>& tables);
[[nodiscard]] Result<std::vector<Table>> tables_from_json(std::string_view json);

}  // namespace jailsvc::config
