#include "config/raw.hpp"

#include <fmt/format.h>

// toml++ 3.3 asserts that a key begins with a letter where hostile text reaches it with another
// character, which it then refuses; with NDEBUG it lets the compiler assume so. Neither is wanted.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

#include "config/nesting.hpp"

namespace jailsvc::config {
namespace {

Where where_of(const SourceText& source, const toml::source_region& region) {
    return {.source = &source, .line = region.begin.line, .column = region.begin.column};
}

Raw convert(const SourceText& source, const toml::node& node);

RawTable convert_table(const SourceText& source, const toml::table& table) {
    RawTable out;
    for (const auto& [key, node] : table) {
        out.emplace(std::string(key.str()), RawEntry{.key = where_of(source, key.source()),
                                                     .value = convert(source, node)});
    }
    return out;
}

Raw convert(const SourceText& source, const toml::node& node) {
    Raw raw{.where = where_of(source, node.source()), .data = RawOther{}};
    if (const auto* table = node.as_table()) {
        raw.data = convert_table(source, *table);
    } else if (const auto* array = node.as_array()) {
        RawList list;
        list.reserve(array->size());
        for (const auto& element : *array) list.push_back(convert(source, element));
        raw.data = std::move(list);
    } else if (const auto* text = node.as_string()) {
        raw.data = text->get();
    } else if (const auto* integer = node.as_integer()) {
        raw.data = integer->get();
    } else if (const auto* number = node.as_floating_point()) {
        raw.data = number->get();
    } else if (const auto* boolean = node.as_boolean()) {
        raw.data = boolean->get();
    }
    return raw;
}

}  // namespace

std::string_view Raw::type_name() const {
    static constexpr std::string_view kNames[] = {
        "a date or time", "a boolean", "an integer", "a floating-point number",
        "a string",       "an array",  "a table",
    };
    return kNames[data.index()];
}

std::optional<RawTable> parse_toml(const SourceText& source, Reporter& reporter) {
    if (source.text.size() > kMaxFileSize) {
        reporter.add_file(
            source.name, fmt::format("longer than {} bytes; split it into drop-ins", kMaxFileSize));
        return std::nullopt;
    }
    if (const auto deep = find_deep_nesting(source.text, kMaxNesting)) {
        reporter.add({.source = &source, .line = deep->line, .column = deep->column},
                     fmt::format("nested more than {} levels deep", kMaxNesting));
        return std::nullopt;
    }
    try {
        return convert_table(source, toml::parse(source.text));
    } catch (const toml::parse_error& error) {
        reporter.add(where_of(source, error.source()), std::string(error.description()));
    } catch (const std::exception& error) {
        reporter.add_file(source.name, error.what());
    }
    return std::nullopt;
}

}  // namespace jailsvc::config
