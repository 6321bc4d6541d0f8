// What a plugin says of itself, checked before any of it is believed: sizes first, then versions,
// then names and keys.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "jailer/plugin/plugin_load.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxStruct = 4096;  ///< more than any minor version will ever need [bytes]
constexpr std::uint32_t kMaxKeys = 256;
constexpr std::size_t kMaxName = 31;  ///< of a plugin
constexpr std::size_t kMaxKeyName = 63;
constexpr std::size_t kMaxLine = 1024;  ///< any other text

/// A text of at most `limit` bytes; nullopt for a longer one. NULL is empty.
std::optional<std::string> bounded(const char* text, std::size_t limit) {
    if (text == nullptr) return std::string();
    const std::size_t length = ::strnlen(text, limit + 1);
    if (length > limit) return std::nullopt;
    return std::string(text, length);
}

bool is_identifier(std::string_view text) {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    return !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
    });
}

bool is_line(std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

std::vector<std::string> split_choices(std::string_view text) {
    std::vector<std::string> choices;
    while (!text.empty()) {
        const std::size_t bar = text.find('|');
        choices.emplace_back(text.substr(0, bar));
        text = bar == std::string_view::npos ? std::string_view() : text.substr(bar + 1);
    }
    return choices;
}

std::optional<config::KeyType> type_of(std::uint32_t type) {
    constexpr config::KeyType kTypes[] = {
        config::KeyType::kBool,       config::KeyType::kInteger,  config::KeyType::kString,
        config::KeyType::kStringList, config::KeyType::kDuration, config::KeyType::kBytes,
        config::KeyType::kStringMap,
    };
    if (type >= std::size(kTypes)) return std::nullopt;
    return kTypes[type];
}

/// Whether a default looks as a value of that type does in TOML: `jailsvc show` writes it so.
bool looks_like(std::string_view text, config::KeyType type) {
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || c == '-'; };
    switch (type) {
        case config::KeyType::kBool:
            return text == "true" || text == "false";
        case config::KeyType::kInteger:
            return std::ranges::all_of(text, is_digit);
        case config::KeyType::kStringList:
            return text.starts_with('[') && text.ends_with(']');
        case config::KeyType::kStringMap:
            return text.starts_with('{') && text.ends_with('}');
        case config::KeyType::kDuration:
        case config::KeyType::kBytes:
        case config::KeyType::kString:
            return text.size() >= 2 && text.starts_with('"') && text.ends_with('"');
        case config::KeyType::kCommand:
        case config::KeyType::kCommands:
        case config::KeyType::kIntegerList:
            return false;
    }
    return false;
}

Result<config::Key> read_key(const jsv_key& raw) {
    const auto name = bounded(raw.name, kMaxKeyName);
    const bool rest = name == config::kRestKey;
    if (!name || (!rest && !is_identifier(*name))) {
        return fail("a key's name is not [a-z][a-z0-9_]*");
    }
    const auto type = type_of(raw.type);
    if (!type) return fail(fmt::format("key {}: unknown type {}", *name, raw.type));
    if (rest && *type != config::KeyType::kStringMap) {
        return fail("key *: stands for names with texts, and is a map of strings");
    }
    const auto fallback = bounded(raw.fallback, kMaxLine);
    const auto doc = bounded(raw.doc, kMaxLine);
    const auto choices = bounded(raw.choices, kMaxLine);
    if (!fallback || !doc || !choices || !is_line(*fallback) || !is_line(*doc)) {
        return fail(
            fmt::format("key {}: a text is longer than one line of {} bytes", *name, kMaxLine));
    }
    if (!fallback->empty() && !looks_like(*fallback, *type)) {
        return fail(fmt::format("key {}: its default {} is not as one would write it", *name,
                                *fallback));
    }
    if (!choices->empty() && *type != config::KeyType::kString) {
        return fail(fmt::format("key {}: only a string has choices", *name));
    }
    return config::Key{.name = *name,
                       .type = *type,
                       .fallback = *fallback,
                       .doc = *doc,
                       .choices = split_choices(*choices)};
}

/// The array's stride is the size its first element tells: that of the plugin's header.
Result<std::vector<config::Key>> read_keys(const jsv_plugin& entry) {
    std::vector<config::Key> keys;
    if (entry.key_count == 0) return keys;
    if (entry.keys == nullptr) return fail("keys are counted but not there");
    if (entry.key_count > kMaxKeys) {
        return fail(fmt::format("{} keys; {} are allowed", entry.key_count, kMaxKeys));
    }
    const std::uint32_t stride = entry.keys->size;
    if (stride < offsetof(jsv_key, fallback) || stride > kMaxStruct ||
        stride % alignof(jsv_key) != 0) {
        return fail(fmt::format("a key's size cannot be {}", stride));
    }
    const auto* at = reinterpret_cast<const unsigned char*>(entry.keys);
    for (std::uint32_t i = 0; i < entry.key_count; ++i, at += stride) {
        jsv_key raw{};
        std::memcpy(&raw, at, std::min<std::size_t>(stride, sizeof raw));
        if (raw.size != stride) return fail(fmt::format("key {} has another size than key 0", i));
        TRY(config::Key key, read_key(raw));
        const bool twice =
            std::ranges::any_of(keys, [&](const auto& k) { return k.name == key.name; });
        if (twice) return fail(fmt::format("key {} is there twice", key.name));
        keys.push_back(std::move(key));
    }
    return keys;
}

/// "jail.NAME", a table below another plugin's, or one at the top that is none of the core's.
Result<std::string> read_table_name(const jsv_plugin& entry, const std::string& plugin) {
    if (entry.table == nullptr) return "jail." + plugin;
    const auto name = bounded(entry.table, kMaxName);
    const bool nested = name && name->starts_with("jail.") && config::is_plugin_table(*name);
    if (nested) return *name;
    if (!name || !is_identifier(*name)) return fail("its table's name is not [a-z][a-z0-9_]*");
    if (config::core_schema().find(*name) == nullptr) return *name;
    return fail(fmt::format("its table [{}] is the core's", *name));
}

Result<jsv_plugin> copy_entry(const jsv_plugin* entry) {
    if (entry == nullptr) return fail("its entry function returned nothing");
    if (reinterpret_cast<std::uintptr_t>(entry) % alignof(jsv_plugin) != 0) {
        return fail("its entry function returned no pointer to a struct");
    }
    const std::uint32_t size = entry->size;
    if (size > kMaxStruct || size < offsetof(jsv_plugin, key_count)) {
        return fail(fmt::format("the size of its struct cannot be {}", size));
    }
    // The major says what the rest means, so it is judged before the rest is read.
    if (entry->abi_major != JSV_ABI_MAJOR) {
        return fail(
            fmt::format("was built for plugin interface {}.{}, this is {}.{}; build it anew "
                        "with this version's jailsvc_plugin.h",
                        entry->abi_major, entry->abi_minor, JSV_ABI_MAJOR, JSV_ABI_MINOR));
    }
    if (size < offsetof(jsv_plugin, prepare)) {
        return fail(fmt::format("the size of its struct cannot be {}", size));
    }
    jsv_plugin copy{};
    std::memcpy(&copy, entry, std::min<std::size_t>(size, sizeof copy));
    return copy;
}

}  // namespace

Result<LoadedPlugin> read_entry(const jsv_plugin* entry) {
    LoadedPlugin plugin;
    TRY(plugin.entry, copy_entry(entry));
    const auto name = bounded(plugin.entry.name, kMaxName);
    if (!name || !is_identifier(*name) || *name == "core") {
        return fail("its name is not [a-z][a-z0-9_]* of at most 31 bytes, or is \"core\"");
    }
    plugin.name = *name;
    const auto version = bounded(plugin.entry.version, kMaxLine);
    const auto doc = bounded(plugin.entry.doc, kMaxLine);
    if (!version || !doc || !is_line(*version) || !is_line(*doc)) {
        return fail(
            fmt::format("its version or doc is longer than one line of {} bytes", kMaxLine));
    }
    if (plugin.entry.plan == nullptr) return fail("it has no plan function");
    TRY(auto keys, read_keys(plugin.entry));
    TRY(std::string table, read_table_name(plugin.entry, *name));
    plugin.table = {
        .name = std::move(table), .doc = *doc, .keys = std::move(keys), .plugin = *name};
    const auto companion = bounded(plugin.entry.companion, kMaxName);
    if (!companion || (!companion->empty() && !is_identifier(*companion))) {
        return fail("its companion's name is not [a-z][a-z0-9_]* of at most 31 bytes");
    }
    plugin.table.companion = *companion;
    return plugin;
}

}  // namespace jailsvc::jailer
