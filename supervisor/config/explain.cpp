#include "config/explain.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/nearest.hpp"
#include "config/schema_text.hpp"

namespace jailsvc::config {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of_table(const Table& table) {
    std::string out = fmt::format("[{}]  {}\n", table.name, table.doc);
    for (const Key& key : table.keys) out += fmt::format("  {:<22} {}\n", key.name, key.doc);
    return out;
}

std::string text_of_key(const Table& table, const Key& key) {
    std::string out = fmt::format("{}.{}  {}\n", table.name, key.name, key.doc);
    out += fmt::format("  value:   {}\n", key.choices.empty() ? std::string(describe(key.type))
                                                              : join_or(key.choices));
    if (!key.fallback.empty()) out += fmt::format("  default: {}\n", key.fallback);
    if (table.plugin != "core") out += fmt::format("  plugin:  {}\n", table.plugin);
    return out;
}

Json json_of_key(const Table& table, const Key& key) {
    Json out = {{"name", table.name + "." + key.name},
                {"doc", key.doc},
                {"type", describe(key.type)},
                {"default", key.fallback.empty() ? Json() : Json(key.fallback)},
                {"plugin", table.plugin}};
    if (!key.choices.empty()) out["choices"] = key.choices;
    return out;
}

Json json_of_table(const Table& table, bool with_keys) {
    Json out = {{"name", table.name}, {"doc", table.doc}, {"plugin", table.plugin}};
    if (!with_keys) return out;
    out["keys"] = Json::array();
    for (const Key& key : table.keys) out["keys"].push_back(json_of_key(table, key));
    return out;
}

/// Every name, with what it stands for.
std::vector<std::pair<std::string, Explained::One>> all_names(const Schema& schema) {
    std::vector<std::pair<std::string, Explained::One>> all;
    for (const Table& table : schema.tables) {
        all.push_back({table.name, {&table, nullptr}});
        for (const Key& key : table.keys) {
            all.push_back({table.name + "." + key.name, {&table, &key}});
        }
    }
    return all;
}

}  // namespace

Result<Explained> look_up(const Schema& schema, std::string_view name) {
    const auto all = all_names(schema);
    Explained explained;
    for (const auto& [known, one] : all) {
        if (known == name) return Explained{{one}};
        if (known.ends_with(fmt::format(".{}", name))) explained.found.push_back(one);
    }
    if (!explained.found.empty()) return explained;
    std::vector<std::string> names;
    for (const auto& [known, one] : all) {
        names.push_back(known);
        if (one.key != nullptr) names.push_back(one.key->name);
    }
    const std::string near = nearest(name, names);
    return fail(fmt::format("{}: no such table or key{}", shown(name),
                            near.empty() ? "; write \"service\" or \"service.restart\""
                                         : fmt::format("; did you mean \"{}\"?", near)),
                ENOENT);
}

Explained all_tables(const Schema& schema) {
    Explained all;
    for (const Table& table : schema.tables) all.found.push_back({&table, nullptr});
    return all;
}

std::string to_text(const Explained& explained) {
    const bool many = explained.found.size() > 1;
    std::string out;
    for (const auto& [table, key] : explained.found) {
        if (key != nullptr) {
            out += text_of_key(*table, *key);
        } else {
            out +=
                many ? fmt::format("[{}]  {}\n", table->name, table->doc) : text_of_table(*table);
        }
    }
    return out;
}

std::string to_json(const Explained& explained) {
    Json out = {{"tables", Json::array()}, {"keys", Json::array()}};
    const bool many = explained.found.size() > 1;
    for (const auto& [table, key] : explained.found) {
        if (key != nullptr) {
            out["keys"].push_back(json_of_key(*table, *key));
        } else {
            out["tables"].push_back(json_of_table(*table, !many));
        }
    }
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace jailsvc::config
