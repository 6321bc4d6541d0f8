#include <fmt/format.h>

#include <algorithm>

#include "config/document.hpp"

// The one way to write each value: equal effective units give equal text, hence equal digests.
namespace jailsvc::config {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};

/// A TOML basic string (toml.io, "String").
std::string quote(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                    out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
                } else {
                    out += c;
                }
        }
    }
    return out + "\"";
}

std::string key_text(std::string_view key) {
    const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
    return bare ? std::string(key) : quote(key);
}

template <typename List, typename Write>
std::string array(const List& list, Write write) {
    std::string out = "[";
    for (const auto& element : list) out += (out.size() > 1 ? ", " : "") + write(element);
    return out + "]";
}

std::string text_array(const TextList& list) {
    return array(list, [](const Text& one) { return quote(one.text); });
}

std::string value_text(const Value& value) {
    return std::visit(
        Overloaded{
            [](bool flag) { return std::string(flag ? "true" : "false"); },
            [](std::int64_t number) { return fmt::format("{}", number); },
            [](const Text& text) { return quote(text.text); },
            [](const TextList& list) { return text_array(list); },
            [](const IntegerList& list) {
                return array(list, [](std::int64_t one) { return fmt::format("{}", one); });
            },
            [](const std::vector<TextList>& lists) { return array(lists, text_array); },
            [](const TextMap&) { return std::string("{}"); },
        },
        value.data);
}

using Defaults = std::map<std::string, std::string, std::less<>>;

void write_section(std::string& out, const std::string& name, const Section& section,
                   const Defaults& defaults = {}) {
    out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", name);
    for (const auto& [key, text] : defaults) out += fmt::format("{} = {}  # default\n", key, text);
    for (const auto& [key, value] : section.keys) {
        const auto* map = std::get_if<TextMap>(&value.data);
        if (map != nullptr && !map->empty()) continue;  // has a header of its own, below
        out += fmt::format("{} = {}\n", key_text(key), value_text(value));
    }
    for (const auto& [key, value] : section.keys) {
        const auto* map = std::get_if<TextMap>(&value.data);
        if (map == nullptr || map->empty()) continue;
        out += fmt::format("\n[{}.{}]\n", name, key_text(key));
        for (const auto& [entry, text] : *map) {
            out += fmt::format("{} = {}\n", key_text(entry), quote(text.text));
        }
    }
}

/// Of the keys that the section does not have.
Defaults defaults_of(const Table& table, const Section& section) {
    Defaults defaults;
    for (const Key& key : table.keys) {
        if (!key.fallback.empty() && !section.keys.contains(key.name)) {
            defaults.emplace(key.name, key.fallback);
        }
    }
    return defaults;
}

}  // namespace

std::string to_toml_with_defaults(const Document& document, const Schema& schema) {
    constexpr std::string_view kOfTargets[] = {"unit", "install", "socket"};
    const bool is_target = !document.sections.contains("service");
    std::string out;
    for (const Table& table : schema.tables) {
        const auto written = document.sections.find(table.name);
        const Section section = written != document.sections.end() ? written->second : Section{};
        const Defaults defaults = defaults_of(table, section);
        // Without addresses, times or a check their other keys mean nothing.
        constexpr std::string_view kSilent[] = {"socket", "timer",          "health",
                                                "job",    "unit.condition", "unit.assert"};
        const bool silent =
            std::ranges::count(kSilent, table.name) > 0 && written == document.sections.end();
        const bool applies =
            !silent && (!is_target || std::ranges::count(kOfTargets, table.name) > 0);
        if (!section.keys.empty() || (applies && !defaults.empty())) {
            write_section(out, table.name, section, defaults);
        }
    }
    return out;
}

std::string to_toml(const Document& document) {
    std::string out;
    for (const auto& [name, section] : document.sections) write_section(out, name, section);
    return out;
}

}  // namespace jailsvc::config
