#include "config/typed_value.hpp"

#include <fmt/format.h>

#include "config/effective.hpp"
#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

std::string_view form_of(KeyType type) {
    if (type == KeyType::kBool) return "\"true\" or \"false\"";
    if (type == KeyType::kInteger) return "integer";
    if (type == KeyType::kStringMap) return "table; write {\"NAME\" = \"VALUE\"}";
    return "list; write [\"ONE\", \"OTHER\"]";
}

/// Number, truth, list or map in TOML, on one line: "KEY = VALUE" read as a file is.
std::optional<Value> read_value(const Schema& schema, std::string_view table, const Key& key,
                                const std::string& text, const TypedFrom& from) {
    const SourceText source{.name = from.name,
                            .text = fmt::format("[{}]\n{} = {}\n", table, key.name, text)};
    Reporter own;
    const auto document = parse_document(source, schema, own);
    const Value* value = document ? document->find(table, key.name) : nullptr;
    if (value != nullptr && own.empty()) return *value;
    from.reporter.add_file(
        from.name, fmt::format("{}: {} is no {}", key.name, shown(text), form_of(key.type)));
    return std::nullopt;
}

}  // namespace

std::optional<Value> typed_value(const Schema& schema, std::string_view table, const Key& key,
                                 const std::string& text, const TypedFrom& from) {
    if (text.find('\n') != std::string::npos) {
        from.reporter.add_file(from.name, key.name + ": the value has more than one line");
        return std::nullopt;
    }
    switch (key.type) {
        case KeyType::kString:
        case KeyType::kBytes:
        case KeyType::kDuration:
            return Value{.where = {}, .data = Text{.text = text, .where = {}}};
        case KeyType::kBool:
        case KeyType::kInteger:
        case KeyType::kStringList:
        case KeyType::kStringMap:
        case KeyType::kCommand:
        case KeyType::kCommands:
        case KeyType::kIntegerList:
            return read_value(schema, table, key, text, from);
    }
    return std::nullopt;
}

}  // namespace jailsvc::config
