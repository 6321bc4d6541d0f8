#include "config/schema_text.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

using Json = nlohmann::ordered_json;

/// "exec", "oneshot" as code, or what any value of the type is.
std::string value_form(const Key& key) {
    if (key.name == kRestKey) return "string";
    if (key.choices.empty()) return std::string(describe(key.type));
    std::string text;
    for (const auto& choice : key.choices) {
        text += fmt::format("{}`\"{}\"`", text.empty() ? "" : ", ", choice);
    }
    return text;
}

/// A cell of a Markdown table cannot hold a bar.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
    return out;
}

void append_table(std::string& out, const Table& table) {
    out += fmt::format("\n## `[{}]`\n\n{}\n", table.name, table.doc);
    if (table.plugin != "core") out += fmt::format("Plugin: {}.\n", table.plugin);
    if (table.keys.empty()) return;
    out += "\n| key | value | default | meaning |\n|---|---|---|---|\n";
    for (const Key& key : table.keys) {
        const std::string fallback = key.fallback.empty() ? "" : fmt::format("`{}`", key.fallback);
        out += fmt::format("| `{}` | {} | {} | {} |\n", key.name, cell(value_form(key)),
                           cell(fallback), cell(key.doc));
    }
}

constexpr std::string_view kPreamble = R"(# Keys of unit files

One TOML file per unit, `NAME.toml`, or a template `NAME@.toml` for all units `NAME@INSTANCE`. Unit
directories are searched in order, `/run/jailsvc/units`, `/etc/jailsvc/units` and
`/usr/lib/jailsvc/units` (with `--config DIR` the last two are `DIR/units`); the first file found is
the unit.

- **Drop-ins** `NAME.toml.d/*.toml` (and `NAME@.toml.d/` for instances) of all directories are put on
  top, sorted by file name; a file in a higher directory masks one of the same name in a lower one.
  A key of a later file replaces the earlier one's, lists as a whole; tables of strings are merged.
- **Profiles**: `[jail] profile` names a file of `[jail.*]` tables that lies below the unit's own
  keys. Order of rising priority: profile, unit, drop-ins. What a site allows at most is said in one
  file: docs/CEILING.md.
- **Durations** are strings (`"200ms"`, `"1min 30s"`, `"infinity"`) or numbers of seconds. **Sizes**
  are strings (`"512M"`, powers of 1024) or numbers of bytes.
- **Commands** are arrays: an absolute path, then arguments. No shell is involved.
- **Specifiers** in string values: `%i` instance, `%I` the unit that the instance is the companion
  of (docs/EGRESS.md), `%n` full name, `%p` name without the instance, `%u` user of
  `[jail.identity]`, `%t` runtime root, `%S` state root, `%%` a percent sign. A dynamic
  user (the default) gets its name at the start: there `%u` is an error, so set `user` and
  `dynamic_user = false`.
- Unknown tables and keys are errors. Files must be root's and writable by nobody else.
)";

Json text_or_number(const char* number) {
    return {{"type", Json::array({"string", number})}};
}

Json list_of(Json items) {
    return {{"type", "array"}, {"items", std::move(items)}};
}

Json value_schema(const Key& key) {
    const Json text = {{"type", "string"}};
    switch (key.type) {
        case KeyType::kBool:
            return {{"type", "boolean"}};
        case KeyType::kInteger:
            return {{"type", "integer"}};
        case KeyType::kString:
            break;
        case KeyType::kStringList:
            return list_of(text);
        case KeyType::kDuration:
            return text_or_number("number");
        case KeyType::kBytes:
            return text_or_number("integer");
        case KeyType::kStringMap:
            return {{"type", "object"},
                    {"additionalProperties", key.integers ? text_or_number("integer") : text}};
        case KeyType::kCommand:
            return list_of(text);
        case KeyType::kCommands:
            return {{"anyOf", Json::array({list_of(text), list_of(list_of(text))})}};
        case KeyType::kIntegerList:
            return list_of({{"type", "integer"}});
    }
    Json out = text;
    if (!key.choices.empty()) out["enum"] = key.choices;
    return out;
}

Json table_schema(const Table& table) {
    Json properties = Json::object();
    Json others = false;
    for (const Key& key : table.keys) {
        if (key.name == kRestKey) {
            others = {{"type", "string"}, {"description", key.doc}};
            continue;
        }
        Json value = value_schema(key);
        value["description"] = key.doc;
        properties[key.name] = std::move(value);
    }
    return {{"type", "object"},
            {"description", table.doc},
            {"additionalProperties", std::move(others)},
            {"properties", std::move(properties)}};
}

}  // namespace

std::string_view describe(KeyType type) {
    switch (type) {
        case KeyType::kBool:
            return "true or false";
        case KeyType::kInteger:
            return "integer";
        case KeyType::kString:
            return "string";
        case KeyType::kStringList:
            return "list of strings";
        case KeyType::kDuration:
            return "duration";
        case KeyType::kBytes:
            return "size";
        case KeyType::kStringMap:
            return "table of strings";
        case KeyType::kCommand:
            return "command";
        case KeyType::kCommands:
            return "command, or list of commands";
        case KeyType::kIntegerList:
            return "list of integers";
    }
    return "";
}

std::string to_markdown(const Schema& schema) {
    std::string out(kPreamble);
    for (const Table& table : schema.tables) append_table(out, table);
    return out;
}

std::string json_schema(const Schema& schema) {
    Json root = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "jailsvc unit"},
                 {"type", "object"},
                 {"additionalProperties", false},
                 {"properties", Json::object()}};
    // Those below others come when these are there.
    for (const Table& table : schema.tables) {
        if (table.name.find('.') != std::string::npos) continue;
        root["properties"][table.name] = table_schema(table);
    }
    for (const Table& table : schema.tables) {
        const auto dot = table.name.find('.');
        if (dot == std::string::npos) continue;
        const std::string name = table.name.substr(dot + 1);
        const auto next = name.find('.');
        Json& above = root["properties"][table.name.substr(0, dot)]["properties"];
        if (next == std::string::npos) {
            above[name].update(table_schema(table), /*merge_objects=*/true);
        } else {
            above[name.substr(0, next)]["properties"][name.substr(next + 1)] = table_schema(table);
        }
    }
    return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace jailsvc::config
