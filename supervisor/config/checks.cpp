#include "config/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <climits>

#include "base/signals.hpp"
#include "config/logging.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"
#include "config/quantity.hpp"

namespace jailsvc::config {
namespace {

/// Script arguments and environment values may have lines; names, paths and the rest may not.
enum class Lines { kRefused, kAllowed };

bool has_control(std::string_view text, Lines lines) {
    return std::ranges::any_of(text, [lines](char c) {
        if (lines == Lines::kAllowed && (c == '\n' || c == '\t')) return false;
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

bool check_text(const Text& text, Lines lines, const CheckContext& context) {
    if (!has_control(text.text, lines)) return true;
    context.complain(text.where,
                     fmt::format("{} has a control character in it; remove it", shown(text.text)));
    return false;
}

bool check_texts(const TextList& list, const CheckContext& context) {
    bool good = true;
    for (const Text& one : list) good = check_text(one, Lines::kRefused, context) && good;
    return good;
}

bool check_map(const TextMap& map, const CheckContext& context) {
    bool good = true;
    for (const auto& [name, text] : map) {
        good = check_text({name, text.where}, Lines::kRefused, context) && good;
        good = check_text(text, Lines::kAllowed, context) && good;
    }
    return good;
}

bool check_command(const TextList& command, const Where& where, const CheckContext& context) {
    if (command.empty()) {
        context.complain(where, "a command needs a program; write [\"/usr/bin/true\"]");
        return false;
    }
    const Text& program = command.front();
    bool good = check_text(program, Lines::kRefused, context);
    if (good && !is_absolute_path(program.text)) {
        context.complain(program.where,
                         fmt::format("the program {} must be an absolute path; no shell or PATH is "
                                     "searched",
                                     shown(program.text)));
        good = false;
    }
    for (std::size_t i = 1; i < command.size(); ++i) {
        good = check_text(command[i], Lines::kAllowed, context) && good;
    }
    return good;
}

bool check_choice(const Key& key, const Text& text, const CheckContext& context) {
    if (!check_text(text, Lines::kRefused, context)) return false;
    if (key.choices.empty()) return true;
    if (std::find(key.choices.begin(), key.choices.end(), text.text) != key.choices.end()) {
        return true;
    }
    context.complain(text.where, fmt::format("unknown value {}; use {}", shown(text.text),
                                             join_or(key.choices)));
    return false;
}

template <typename Parsed>
bool check_parsed(const Parsed& parsed, const Where& where, const CheckContext& context) {
    if (!parsed) context.complain(where, parsed.error().message);
    return parsed.has_value();
}

/// The texts of a string key or of a list of strings, as one list.
TextList texts_of(const Value& value) {
    if (const auto* text = std::get_if<Text>(&value.data)) return {*text};
    if (const auto* list = std::get_if<TextList>(&value.data)) return *list;
    return {};
}

bool is_environment_name(std::string_view name) {
    const auto word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    return !name.empty() && name.size() <= kMaxName && !(name[0] >= '0' && name[0] <= '9') &&
           std::all_of(name.begin(), name.end(), word);
}

void check_environment_name(const std::string& name, const Where& where,
                            const CheckContext& context) {
    if (is_environment_name(name)) return;
    context.complain(where, fmt::format("{} is no name of a variable; use letters, digits and _, "
                                        "not a digit first, at most {} bytes",
                                        shown(name), kMaxName));
}

std::vector<std::string> plugin_names(const Schema& schema) {
    std::vector<std::string> names;
    for (const Table& table : schema.tables) {
        if (table.name.starts_with("jail.")) names.push_back(table.name.substr(5));
    }
    return names;
}

void check_optional_part(const Text& part, const CheckContext& context) {
    const auto dot = part.text.find('.');
    const std::string plugin = part.text.substr(0, dot);
    const Table* table = context.schema.find("jail." + plugin);
    if (table == nullptr) {
        const auto near = nearest(plugin, plugin_names(context.schema));
        context.complain(part.where,
                         fmt::format("{}: there is no table [jail.{}]{}", shown(part.text),
                                     plugin.substr(0, kMaxName),
                                     near.empty() ? "" : "; did you mean \"" + near + "\"?"));
        return;
    }
    if (dot == std::string::npos) return;
    const std::string key = part.text.substr(dot + 1);
    if (context.schema.find_key(table->name, key) != nullptr) return;
    std::vector<std::string> keys;
    for (const Key& one : table->keys) keys.push_back(one.name);
    const auto near = nearest(key, keys);
    context.complain(
        part.where,
        fmt::format("{}: [{}] has no such key{}", shown(part.text), table->name,
                    near.empty() ? "" : "; did you mean \"" + plugin + "." + near + "\"?"));
}

}  // namespace

void CheckContext::complain(const Where& where, std::string_view what) const {
    reporter.add(where, fmt::format("{}: {}", key, what));
}

bool check_type(const Key& key, const Value& value, const CheckContext& context) {
    switch (key.type) {
        case KeyType::kBool:
        case KeyType::kInteger:
        case KeyType::kIntegerList:
            return true;
        case KeyType::kString:
            return check_choice(key, std::get<Text>(value.data), context);
        case KeyType::kStringList:
            return check_texts(std::get<TextList>(value.data), context);
        case KeyType::kDuration:
            return check_parsed(parse_duration(std::get<Text>(value.data).text), value.where,
                                context);
        case KeyType::kBytes:
            return check_parsed(parse_bytes(std::get<Text>(value.data).text), value.where, context);
        case KeyType::kStringMap:
            return check_map(std::get<TextMap>(value.data), context);
        case KeyType::kCommand:
            return check_command(std::get<TextList>(value.data), value.where, context);
        case KeyType::kCommands:
            break;
    }
    bool good = true;
    for (const auto& command : std::get<std::vector<TextList>>(value.data)) {
        good = check_command(command, value.where, context) && good;
    }
    return good;
}

namespace {

/// A name that the table's kRestKey stands for, and its text.
void check_rest(const std::string& name, const Value& value, const CheckContext& context) {
    const auto* text = std::get_if<Text>(&value.data);
    if (text == nullptr) return;
    if (!check_text({name, value.where}, Lines::kRefused, context)) return;
    (void)check_text(*text, Lines::kRefused, context);
}

/// The entries of a list that hold no control characters: what else they are is still to be said.
Value printable_part(const Value& value) {
    Value part = value;
    if (auto* list = std::get_if<TextList>(&part.data)) {
        std::erase_if(*list,
                      [](const Text& one) { return has_control(one.text, Lines::kRefused); });
    }
    return part;
}

void check_value(const std::string& table, const std::string& name, const Value& value,
                 const CheckContext& context) {
    const Key* key = context.schema.find_key(table, name);
    if (key == nullptr) return check_rest(name, value, context);
    const CoreKey* core = find_core_key(table, name);
    const bool good = check_type(*key, value, context);
    if (core == nullptr || !core->check) return;
    if (good) return core->check(value, context);
    if (key->type == KeyType::kStringList) core->check(printable_part(value), context);
}

}  // namespace

void check_document(Document& document, const Schema& schema, Reporter& reporter) {
    for (auto& [table, section] : document.sections) {
        for (auto at = section.keys.begin(); at != section.keys.end();) {
            const std::size_t before = reporter.count();
            check_value(table, at->first, at->second, {at->first, schema, reporter});
            const bool good = reporter.count() == before;
            if (!good) section.incomplete = section.flawed = true;
            at = good ? std::next(at) : section.keys.erase(at);
        }
    }
}

bool names_instance(const Diagnostic& diagnostic) {
    return diagnostic.source.find("%i") != std::string::npos ||
           diagnostic.source.find("%n") != std::string::npos;
}

void check_template(Document& document, const Schema& schema, Reporter& reporter) {
    Reporter found;
    check_document(document, schema, found);
    for (Diagnostic& one : found.take()) {
        if (!names_instance(one)) reporter.add(std::move(one));
    }
}

Check in_range(std::int64_t low, std::int64_t high) {
    return [low, high](const Value& value, const CheckContext& context) {
        const auto* one = std::get_if<std::int64_t>(&value.data);
        const auto* list = std::get_if<IntegerList>(&value.data);
        const IntegerList all = one != nullptr    ? IntegerList{*one}
                                : list != nullptr ? *list
                                                  : IntegerList{};
        for (const std::int64_t number : all) {
            if (number >= low && number <= high) continue;
            context.complain(value.where,
                             fmt::format("{} is out of range; use {} to {}", number, low, high));
        }
    };
}

Check bytes_in_range(std::uint64_t low, std::uint64_t high) {
    return [low, high](const Value& value, const CheckContext& context) {
        const auto& text = std::get<Text>(value.data);
        const auto bytes = parse_bytes(text.text);
        if (!bytes || (*bytes >= low && *bytes <= high)) return;
        context.complain(text.where,
                         fmt::format("{} is out of range; use {} to {}", shown(text.text),
                                     format_bytes(low), format_bytes(high)));
    };
}

void log_sinks(const Value& value, const CheckContext& context) {
    const auto& text = std::get<Text>(value.data);
    if (const auto sinks = parse_sinks(text.text); !sinks) {
        context.complain(text.where, sinks.error().message);
    }
}

void positive(const Value& value, const CheckContext& context) {
    const auto duration = parse_duration(std::get<Text>(value.data).text);
    if (duration && duration->count() > 0) return;
    context.complain(value.where, "must be longer than 0; use \"infinity\" for no limit");
}

void unit_names(const Value& value, const CheckContext& context) {
    for (const Text& one : texts_of(value)) {
        if (is_unit_name(one.text)) continue;
        context.complain(one.where, fmt::format("{} is no name of a unit; use letters, digits and "
                                                ":_.- with at most one @, {} bytes",
                                                shown(one.text), kMaxName));
    }
}

void signal_name(const Value& value, const CheckContext& context) {
    for (const Text& one : texts_of(value)) {
        (void)check_parsed(parse_signal(one.text), one.where, context);
    }
}

void absolute_path(const Value& value, const CheckContext& context) {
    for (const Text& one : texts_of(value)) {
        if (is_absolute_path(one.text)) continue;
        context.complain(
            one.where, fmt::format("{} must be an absolute path without \"..\"", shown(one.text)));
    }
}

void environment_names(const Value& value, const CheckContext& context) {
    if (const auto* map = std::get_if<TextMap>(&value.data)) {
        for (const auto& [name, text] : *map) check_environment_name(name, text.where, context);
    }
    for (const Text& one : texts_of(value)) check_environment_name(one.text, one.where, context);
}

void profile_name(const Value& value, const CheckContext& context) {
    const auto& text = std::get<Text>(value.data);
    if (is_profile_name(text.text)) return;
    context.complain(text.where, fmt::format("{} is no name of a profile; use letters, digits and "
                                             "_-",
                                             shown(text.text)));
}

void optional_parts(const Value& value, const CheckContext& context) {
    for (const Text& part : texts_of(value)) check_optional_part(part, context);
}

}  // namespace jailsvc::config
