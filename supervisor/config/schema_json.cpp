#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "config/names.hpp"
#include "config/nearest.hpp"
#include "config/schema.hpp"

// The plugins' tables as they travel from jailer to engine. The text comes from a process that has
// run plugin code, so everything in it is checked and bounded.
namespace jailsvc::config {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxJson = 1U << 20;
constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxTables = 64;
constexpr std::size_t kMaxKeys = 256;    // of one table
constexpr std::size_t kMaxChoices = 64;  // of one key

constexpr std::pair<std::string_view, KeyType> kTypeNames[] = {
    {"bool", KeyType::kBool},
    {"integer", KeyType::kInteger},
    {"string", KeyType::kString},
    {"string-list", KeyType::kStringList},
    {"duration", KeyType::kDuration},
    {"bytes", KeyType::kBytes},
    {"string-map", KeyType::kStringMap},
    {"command", KeyType::kCommand},
    {"commands", KeyType::kCommands},
    {"integer-list", KeyType::kIntegerList},
};

std::string_view name_of(KeyType type) {
    for (const auto& [name, value] : kTypeNames) {
        if (value == type) return name;
    }
    return "";
}

std::unexpected<Error> malformed(std::string_view what) {
    return fail(fmt::format("schema: {}", what), EBADMSG);
}

bool is_printable(std::string_view text) {
    return text.size() <= kMaxSchemaText && std::none_of(text.begin(), text.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
           });
}

Result<std::string> text_member(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_string()) {
        return malformed(fmt::format("member \"{}\" is missing or no string", name));
    }
    auto text = found->get<std::string>();
    if (!is_printable(text)) {
        return malformed(
            fmt::format("member \"{}\" is longer than {} bytes or has control "
                        "characters",
                        name, kMaxSchemaText));
    }
    return text;
}

/// A member that must be a list of objects or strings, of at most `limit` elements.
Result<const Json*> list_member(const Json& object, const char* name, std::size_t limit) {
    const auto found = object.find(name);
    if (found == object.end() || !found->is_array() || found->size() > limit) {
        return malformed(
            fmt::format("member \"{}\" is missing or no list of at most {}", name, limit));
    }
    return &*found;
}

Result<KeyType> type_member(const Json& object) {
    TRY(const std::string text, text_member(object, "type"));
    for (const auto& [name, type] : kTypeNames) {
        if (name == text) return type;
    }
    return malformed(fmt::format("unknown type {}", shown(text)));
}

Result<std::vector<std::string>> choices_member(const Json& object) {
    TRY(const Json* list, list_member(object, "choices", kMaxChoices));
    std::vector<std::string> choices;
    for (const Json& one : *list) {
        if (!one.is_string()) return malformed("a choice is no string");
        choices.push_back(one.get<std::string>());
        if (!is_printable(choices.back())) return malformed("a choice is too long or unprintable");
    }
    return choices;
}

Result<Key> read_key(const Json& object) {
    if (!object.is_object()) return malformed("a key is no object");
    Key key;
    TRY(key.name, text_member(object, "name"));
    TRY(key.type, type_member(object));
    const bool rest = key.name == kRestKey && key.type == KeyType::kStringMap;
    if (!rest && !is_schema_name(key.name)) {
        return malformed(fmt::format("{} is no name of a key", shown(key.name)));
    }
    TRY(key.fallback, text_member(object, "default"));
    TRY(key.doc, text_member(object, "doc"));
    TRY(key.choices, choices_member(object));
    return key;
}

Result<std::string> table_name(const Json& object) {
    TRY(const std::string name, text_member(object, "name"));
    if (!is_plugin_table(name)) {
        return malformed(fmt::format("{} is no name for a plugin's table", shown(name)));
    }
    return name;
}

Result<Table> read_table(const Json& object) {
    if (!object.is_object()) return malformed("a table is no object");
    Table table;
    TRY(table.name, table_name(object));
    TRY(table.doc, text_member(object, "doc"));
    TRY(table.plugin, text_member(object, "plugin"));
    if (!is_schema_name(table.plugin)) {
        return malformed(fmt::format("{} is no name of a plugin", shown(table.plugin)));
    }
    if (object.contains("companion")) {
        TRY(table.companion, text_member(object, "companion"));
        if (!is_template_name(table.companion + "@")) return malformed("no name of a companion");
    }
    if (object.contains("refusal")) {
        TRY(table.refusal, text_member(object, "refusal"));
    }
    TRY(const Json* keys, list_member(object, "keys", kMaxKeys));
    std::set<std::string> seen;
    for (const Json& one : *keys) {
        auto key = read_key(one);
        if (!key) return fail_in(table.name, std::move(key).error());
        if (!seen.insert(key->name).second) {
            return malformed(fmt::format("{}: key \"{}\" twice", table.name, key->name));
        }
        table.keys.push_back(std::move(*key));
    }
    return table;
}

/// Parses without exceptions and without recursion deeper than a schema needs.
Result<Json> parse_bounded(std::string_view text) {
    if (text.size() > kMaxJson) return malformed(fmt::format("longer than {} bytes", kMaxJson));
    bool deep = false;
    const auto limit = [&deep](int depth, Json::parse_event_t, Json&) {
        deep = deep || depth > static_cast<int>(kMaxDepth);
        return !deep;
    };
    Json json = Json::parse(text, limit, /*allow_exceptions=*/false);
    if (deep || json.is_discarded()) return malformed("no JSON, or nested too deep");
    return json;
}

Json to_value(const Key& key) {
    return {{"name", key.name},
            {"type", name_of(key.type)},
            {"default", key.fallback},
            {"doc", key.doc},
            {"choices", key.choices}};
}

}  // namespace

bool is_plugin_table(std::string_view name) {
    constexpr std::string_view kPrefix = "jail.";
    const bool below = name.starts_with(kPrefix);
    auto rest = name.substr(below ? kPrefix.size() : 0);
    // "jail.network.egress": below the table of another plugin.
    const auto dot = rest.find('.');
    if (below && dot != std::string_view::npos) {
        if (!is_schema_name(rest.substr(0, dot))) return false;
        rest.remove_prefix(dot + 1);
    }
    const bool taken = below ? core_schema().find_key("jail", rest) != nullptr
                             : core_schema().find(rest) != nullptr;
    return is_schema_name(rest) && !taken;
}

std::string to_json(const std::vector<Table>& tables) {
    Json list = Json::array();
    for (const Table& table : tables) {
        Json keys = Json::array();
        for (const Key& key : table.keys) keys.push_back(to_value(key));
        list.push_back({{"name", table.name},
                        {"doc", table.doc},
                        {"plugin", table.plugin},
                        {"keys", std::move(keys)}});
        if (!table.refusal.empty()) list.back()["refusal"] = table.refusal;
        if (!table.companion.empty()) list.back()["companion"] = table.companion;
    }
    // Bytes that are no UTF-8 (from a careless plugin's text) must not throw here.
    return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<Table>> tables_from_json(std::string_view json) {
    TRY(const Json list, parse_bounded(json));
    if (!list.is_array() || list.size() > kMaxTables) {
        return malformed(fmt::format("not a list of at most {} tables", kMaxTables));
    }
    std::vector<Table> tables;
    std::set<std::string> seen;
    for (const Json& one : list) {
        TRY(Table table, read_table(one));
        if (!seen.insert(table.name).second) {
            return malformed(fmt::format("table [{}] twice", table.name));
        }
        tables.push_back(std::move(table));
    }
    return tables;
}

}  // namespace jailsvc::config
