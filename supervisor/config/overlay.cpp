#include "config/overlay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/checks.hpp"
#include "config/effective.hpp"
#include "config/nearest.hpp"
#include "config/typed_value.hpp"

namespace jailsvc::config {
namespace {

constexpr const char* kSourceName = "set-property";

Diagnostics problem(std::string message) {
    return {{.file = kSourceName, .message = std::move(message)}};
}

void unknown_key(const Schema& schema, const std::string& name, Reporter& reporter) {
    std::vector<std::string> known;
    if (const Table* table = schema.find(kOverlayTable)) {
        for (const Key& key : table->keys) known.push_back(key.name);
    }
    const auto near = nearest(name, known);
    reporter.add_file(kSourceName,
                      fmt::format("{}: no key of [{}]; {}", shown(name), kOverlayTable,
                                  near.empty() ? "known are " + join_or(known)
                                               : fmt::format("did you mean \"{}\"?", near)));
}

/// Lines that are no TOML but part of a unit's text: what it says of files beside it.
std::string comments_of(std::string_view text) {
    std::string comments;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (line.starts_with('#')) comments += std::string(line) + '\n';
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
    return comments;
}

}  // namespace

Checked<std::string> to_overlay(const Schema& schema,
                                const std::map<std::string, std::string>& pairs) {
    Reporter reporter;
    Document document;
    Section& section = document.sections[std::string(kOverlayTable)];
    for (const auto& [name, text] : pairs) {
        const Key* key = schema.find_key(kOverlayTable, name);
        if (key == nullptr) {
            unknown_key(schema, name, reporter);
        } else if (auto value = typed_value(schema, kOverlayTable, *key, text,
                                            {.name = kSourceName, .reporter = reporter})) {
            section.keys.emplace(name, std::move(*value));
        }
    }
    if (!reporter.empty()) return std::unexpected(reporter.take());
    return to_toml(document);
}

Checked<Document> parse_overlay(const Schema& schema, std::string_view text) {
    if (text.size() > kMaxOverlay) return std::unexpected(problem("too long"));
    const SourceText source{.name = kSourceName, .text = std::string(text)};
    Reporter reporter;
    auto document = parse_document(source, schema, reporter);
    if (document) check_document(*document, schema, reporter);
    if (!reporter.empty() || !document) return std::unexpected(reporter.take());
    // The tables above it are there without keys.
    const bool others = std::ranges::any_of(document->sections, [](const auto& item) {
        return item.first != kOverlayTable && !item.second.keys.empty();
    });
    const auto table = document->sections.find(kOverlayTable);
    if (others || table == document->sections.end() || table->second.keys.empty()) {
        return std::unexpected(problem(fmt::format(
            "keys of [{}] can be set while a unit runs, and no others", kOverlayTable)));
    }
    std::erase_if(document->sections, [](const auto& item) { return item.first != kOverlayTable; });
    return std::move(*document);
}

Checked<std::string> add_to_drop_in(const Schema& schema, std::string_view before,
                                    const Document& overlay) {
    Document whole;
    if (!before.empty()) {
        auto old = parse_overlay(schema, before);
        if (!old) return std::unexpected(std::move(old).error());
        whole = std::move(*old);
    }
    merge(whole, overlay);
    return "# Made by `jailsvc set-property`. To take it back remove this file, then\n"
           "# `jailsvc daemon-reload`, and restart the unit.\n" +
           to_toml(whole);
}

Checked<std::string> put_over(const Schema& schema, std::string_view text,
                              const Document& overlay) {
    const SourceText source{.name = "effective unit", .text = std::string(text)};
    Reporter reporter;
    auto document = parse_document(source, schema, reporter);
    if (!document || !reporter.empty()) return std::unexpected(reporter.take());
    merge(*document, overlay);
    return to_toml(*document) + comments_of(text);
}

}  // namespace jailsvc::config
