#include "import/compose_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace jailsvc::import {
namespace {

constexpr std::size_t kMaxShown = 120;
/// Of mappings merged into each other: an anchor may lead to itself.
constexpr int kMaxMerges = 16;

bool is_name_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// What stands between the braces.
Result<std::string> braced(const std::string& text, const ComposeContext& context) {
    std::size_t end = 0;
    while (end < text.size() && is_name_letter(text[end])) ++end;
    const std::string name = text.substr(0, end);
    const auto value = context.variable(name);
    std::string rest = text.substr(end);
    const bool empty_counts = rest.starts_with(':');
    if (empty_counts) rest.erase(0, 1);
    const bool there = value && !(empty_counts && value->empty());
    if (rest.starts_with('-')) return there ? *value : rest.substr(1);
    if (rest.starts_with('+')) return there ? rest.substr(1) : std::string();
    if (there) return *value;
    return fail(fmt::format("needs the variable {}, which is not set", name));
}

void append(Entries& out, const std::string& key, const YAML::Node& value) {
    const auto known = std::ranges::find(out, key, [](const auto& entry) { return entry.first; });
    if (known == out.end()) out.emplace_back(key, value);
}

Entries entries_within(const YAML::Node& map, int depth);

void merge_into(Entries& out, const YAML::Node& node, int depth) {
    if (depth > kMaxMerges) throw YAML::Exception(node.Mark(), "\"<<\" leads too far");
    if (node.IsSequence()) {
        for (const auto& one : node) merge_into(out, one, depth + 1);
        return;
    }
    for (const auto& [key, value] : entries_within(node, depth)) append(out, key, value);
}

Entries entries_within(const YAML::Node& map, int depth) {
    Entries out;
    if (!map.IsMap()) return out;
    for (const auto& entry : map) {
        if (!entry.first.IsScalar()) continue;
        const std::string key = entry.first.Scalar();
        if (key != "<<") append(out, key, entry.second);
    }
    // What the mapping itself says goes over what it merges.
    for (const auto& entry : map) {
        if (entry.first.IsScalar() && entry.first.Scalar() == "<<")
            merge_into(out, entry.second, depth + 1);
    }
    return out;
}

}  // namespace

Entries entries_of(const YAML::Node& map) {
    return entries_within(map, 0);
}

Result<std::string> interpolated(const std::string& text, const ComposeContext& context) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char next = i + 1 < text.size() ? text[i + 1] : ' ';
        if (text[i] != '$' || (next != '$' && next != '{' && !is_name_letter(next))) {
            out += text[i];
        } else if (next == '$') {
            out += '$';
            ++i;
        } else if (next == '{') {
            const std::size_t end = text.find('}', i);
            if (end == std::string::npos) return fail("a \"${\" that does not end");
            TRY(const std::string value, braced(text.substr(i + 2, end - i - 2), context));
            out += value;
            i = end;
        } else {
            std::size_t end = i + 1;
            while (end < text.size() && is_name_letter(text[end])) ++end;
            TRY(const std::string value, braced(text.substr(i + 1, end - i - 1), context));
            out += value;
            i = end - 1;
        }
    }
    return out;
}

Result<std::string> scalar_of(const YAML::Node& node, const ComposeContext& context) {
    if (node.IsNull()) return std::string();
    if (!node.IsScalar()) return fail("one value is wanted");
    return interpolated(node.Scalar(), context);
}

Result<std::vector<std::string>> list_of(const YAML::Node& node, const ComposeContext& context) {
    std::vector<std::string> out;
    if (node.IsScalar()) {
        TRY(auto one, scalar_of(node, context));
        out.push_back(std::move(one));
        return out;
    }
    if (!node.IsSequence()) return fail("a list is wanted");
    for (const auto& item : node) {
        TRY(auto one, scalar_of(item, context));
        out.push_back(std::move(one));
    }
    return out;
}

Result<std::vector<std::pair<std::string, std::string>>> pairs_of(const YAML::Node& node,
                                                                  const ComposeContext& context) {
    std::vector<std::pair<std::string, std::string>> out;
    if (node.IsMap()) {
        for (const auto& [key, value] : entries_of(node)) {
            if (value.IsNull()) {
                out.emplace_back(key, context.variable(key).value_or(""));
                continue;
            }
            TRY(auto text, scalar_of(value, context));
            out.emplace_back(key, std::move(text));
        }
        return out;
    }
    TRY(const auto list, list_of(node, context));
    for (const std::string& one : list) {
        const std::size_t equals = one.find('=');
        const std::string name = one.substr(0, equals);
        out.emplace_back(name, equals == std::string::npos ? context.variable(name).value_or("")
                                                           : one.substr(equals + 1));
    }
    return out;
}

std::string path_from(const std::string& path, const ComposeContext& context) {
    if (path.starts_with('/')) return path;
    const auto whole = std::filesystem::path(context.directory) / path;
    std::string text = whole.lexically_normal();
    if (text.size() > 1 && text.ends_with('/')) text.pop_back();
    return text;
}

std::string shown_node(const YAML::Node& node) {
    YAML::Emitter out;
    out.SetMapFormat(YAML::Flow);
    out.SetSeqFormat(YAML::Flow);
    out << node;
    std::string text = out.good() ? plain(out.c_str()) : "";
    if (text.size() > kMaxShown) text = text.substr(0, kMaxShown) + "...";
    return text;
}

}  // namespace jailsvc::import
