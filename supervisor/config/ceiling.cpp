#include "config/ceiling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/names.hpp"
#include "config/nearest.hpp"
#include "config/quantity.hpp"

namespace jailsvc::config {
namespace {

using Words = std::set<std::string, std::less<>>;
/// The one way to write a word that has several.
using Spelling = std::string (*)(std::string_view);

std::string as_written(std::string_view word) {
    return std::string(word);
}

/// Only where the plugin takes several spellings for the same: the case of a path means something.
Spelling spelling_of(std::string_view table, std::string_view key) {
    const bool capabilities = key == "capabilities" || key == "ambient_capabilities";
    return table == "jail.identity" && capabilities ? plain_capability : as_written;
}

void add_words(Words& words, std::string_view text, Spelling spelling) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (end > 0) words.emplace(spelling(text.substr(0, end)));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

/// The words that a bound of text allows; nullopt where it is of another type.
std::optional<Words> allowed_words(const Raw& limit, Spelling spelling = as_written) {
    Words words;
    if (const auto* text = std::get_if<std::string>(&limit.data)) {
        add_words(words, *text, spelling);
        return words;
    }
    const auto* list = std::get_if<RawList>(&limit.data);
    if (list == nullptr) return std::nullopt;
    for (const Raw& one : *list) {
        const auto* text = std::get_if<std::string>(&one.data);
        if (text == nullptr) return std::nullopt;
        add_words(words, *text, spelling);
    }
    return words;
}

/// What a quantity comes to: sizes [bytes], durations [ns], "50%", plain numbers. nullopt: it is
/// none, or "infinity".
std::optional<std::uint64_t> amount_of(std::string_view text, KeyType type) {
    if (type == KeyType::kDuration) {
        const auto duration = parse_duration(text);
        if (!duration || *duration == Duration::max()) return std::nullopt;
        return static_cast<std::uint64_t>(duration->count());
    }
    if (text.ends_with('%')) text.remove_suffix(1);
    const auto bytes = parse_bytes(text);
    return bytes ? std::optional(*bytes) : std::nullopt;
}

std::optional<std::uint64_t> amount_of(const Raw& limit, KeyType type) {
    if (const auto* number = std::get_if<std::int64_t>(&limit.data)) {
        return amount_of(fmt::format("{}", *number), type);
    }
    const auto* text = std::get_if<std::string>(&limit.data);
    return text != nullptr ? amount_of(*text, type) : std::nullopt;
}

bool is_quantity(KeyType type) {
    return type == KeyType::kInteger || type == KeyType::kBytes || type == KeyType::kDuration;
}

/// "50%" is bounded as a quantity; other texts are words.
bool is_share(const Raw& limit) {
    const auto* text = std::get_if<std::string>(&limit.data);
    return text != nullptr && text->ends_with('%') && amount_of(*text, KeyType::kBytes);
}

/// Whether a limit of this form can bound a key of that type.
bool fits(const Raw& limit, KeyType type) {
    if (type == KeyType::kBool) return std::holds_alternative<bool>(limit.data);
    if (is_quantity(type)) return amount_of(limit, type).has_value();
    if (type == KeyType::kString || type == KeyType::kStringList) {
        return allowed_words(limit).has_value();
    }
    if (type != KeyType::kStringMap) return false;
    const auto* table = std::get_if<RawTable>(&limit.data);
    return table != nullptr && std::ranges::all_of(*table, [](const auto& item) {
               return amount_of(item.second.value, KeyType::kBytes).has_value();
           });
}

std::string_view form_of(KeyType type) {
    if (type == KeyType::kBool) return "true or false, which all units must have";
    if (is_quantity(type)) return "the largest value that is allowed";
    if (type == KeyType::kString || type == KeyType::kStringList)
        return "a list of what is allowed";
    return "a table of the largest values that are allowed";
}

/// 0 stands for "no limit" wherever a key of the jail counts something.
std::string beyond(std::optional<std::uint64_t> amount, std::uint64_t most, std::string_view said) {
    if (amount && (*amount <= most) && (*amount > 0 || most == 0)) return {};
    if (amount && *amount == 0) return "0 means no limit";
    return fmt::format("{} is more", shown(said));
}

std::string beyond_words(std::string_view said, const Words& allowed) {
    Words words;
    add_words(words, said, as_written);
    for (const std::string& word : words) {
        if (!allowed.contains(word)) return fmt::format("{} is not among them", shown(word));
    }
    return {};
}

/// Every entry of a list is one word, whatever is in it. "all" as a bound of capabilities leaves
/// none out.
std::string beyond_list(const TextList& list, const Words& allowed, Spelling spelling) {
    if (spelling == plain_capability && allowed.contains("all")) return {};
    for (const Text& one : list) {
        if (allowed.contains(spelling(one.text))) continue;
        return fmt::format("{} is not among them", shown(one.text));
    }
    return {};
}

/// "SOFT:HARD" counts with what it can be raised to.
std::string_view hard_limit(std::string_view text) {
    const std::size_t colon = text.find(':');
    return colon == std::string_view::npos ? text : text.substr(colon + 1);
}

std::string beyond_map(const TextMap* map, const RawTable& most) {
    for (const auto& [name, limit] : most) {
        const auto entry = map != nullptr ? map->find(name) : TextMap::const_iterator();
        if (map == nullptr || entry == map->end()) return fmt::format("{} is not set", name);
        const auto hard = hard_limit(entry->second.text);
        auto why = beyond(amount_of(hard, KeyType::kBytes),
                          amount_of(limit.value, KeyType::kBytes).value_or(0), hard);
        if (!why.empty()) return fmt::format("{}: {}", name, why);
    }
    return {};
}

/// What a value that a bound allows looks like.
std::string allowance(const Raw& limit, KeyType type) {
    if (const auto* flag = std::get_if<bool>(&limit.data)) return *flag ? "true" : "false";
    if (const auto* number = std::get_if<std::int64_t>(&limit.data)) {
        return fmt::format("at most {}", *number);
    }
    if (const auto* map = std::get_if<RawTable>(&limit.data)) {
        std::string out;
        for (const auto& [name, entry] : *map) {
            out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name,
                               allowance(entry.value, KeyType::kBytes));
        }
        return out;
    }
    const auto* text = std::get_if<std::string>(&limit.data);
    if (text != nullptr && (is_quantity(type) || is_share(limit))) {
        return fmt::format("at most {}", *text);
    }
    std::string out;
    for (const std::string& word : allowed_words(limit).value_or(Words())) {
        out += (out.empty() ? "" : " ") + word;
    }
    return out.empty() ? "nothing" : out;
}

/// Why the value is beyond the limit; empty if it is not. Of the key's type, as the limit is.
std::string objection(const Value& value, const Raw& limit, KeyType type, Spelling spelling) {
    if (const auto* flag = std::get_if<bool>(&value.data)) {
        return *flag == std::get<bool>(limit.data) ? "" : *flag ? "it is true" : "it is false";
    }
    if (const auto* number = std::get_if<std::int64_t>(&value.data)) {
        const std::string said = fmt::format("{}", *number);
        return beyond(amount_of(said, type), amount_of(limit, type).value_or(0), said);
    }
    if (const auto* map = std::get_if<TextMap>(&value.data)) {
        return beyond_map(map, std::get<RawTable>(limit.data));
    }
    if (const auto* list = std::get_if<TextList>(&value.data)) {
        return beyond_list(*list, allowed_words(limit, spelling).value_or(Words()), spelling);
    }
    const auto* text = std::get_if<Text>(&value.data);
    if (text == nullptr) return "it cannot be bounded";
    if (is_quantity(type) || is_share(limit)) {
        return beyond(amount_of(text->text, type), amount_of(limit, type).value_or(0), text->text);
    }
    return beyond_words(text->text, allowed_words(limit).value_or(Words()));
}

/// The default as a value, where the schema has one that can be compared.
std::optional<Value> default_of(const Key& key) {
    std::string_view text = key.fallback;
    if (key.type == KeyType::kStringList) return Value{.where = {}, .data = TextList()};
    if (text.empty()) return std::nullopt;
    if (key.type == KeyType::kBool) return Value{.where = {}, .data = text == "true"};
    if (key.type != KeyType::kString) return std::nullopt;
    text = text.substr(1, text.size() - 2);  // its quotes
    return Value{.where = {}, .data = Text{.text = std::string(text), .where = {}}};
}

}  // namespace

Ceiling Ceiling::parse(SourceText text, const Schema& schema, Reporter& reporter) {
    Ceiling ceiling;
    ceiling.source_ = std::make_shared<const SourceText>(std::move(text));
    const auto raw = parse_toml(*ceiling.source_, reporter);
    if (!raw) return ceiling;
    for (const auto& [name, entry] : *raw) {
        const auto* table = std::get_if<RawTable>(&entry.value.data);
        if (name == "except") {
            ceiling.read_exceptions(entry.value, reporter);
        } else if (name != "jail" || table == nullptr) {
            reporter.add(entry.key, fmt::format("{}: a ceiling holds except and [jail.NAME] tables "
                                                "alone",
                                                shown(name)));
        } else {
            ceiling.read_table("jail", *table, schema, reporter);
        }
    }
    ceiling.bound_what_undoes_promises(schema);
    return ceiling;
}

void Ceiling::read_exceptions(const Raw& raw, Reporter& reporter) {
    const auto* list = std::get_if<RawList>(&raw.data);
    if (list == nullptr) return reporter.add(raw.where, "except: expected a list of units");
    for (const Raw& one : *list) {
        const auto* name = std::get_if<std::string>(&one.data);
        if (name != nullptr && (is_unit_name(*name) || is_template_name(*name))) {
            exceptions_.push_back(*name);
        } else {
            reporter.add(one.where,
                         "except: expected the name of a unit, or \"NAME@\" for all of "
                         "a template's");
        }
    }
}

void Ceiling::read_table(const std::string& table, const RawTable& keys, const Schema& schema,
                         Reporter& reporter) {
    for (const auto& [name, entry] : keys) {
        const std::string below = table + "." + name;
        const Key* key = schema.find_key(table, name);
        const auto* nested = std::get_if<RawTable>(&entry.value.data);
        if (key == nullptr && nested != nullptr && schema.find(below) != nullptr) {
            read_table(below, *nested, schema, reporter);
        } else if (key == nullptr) {
            reporter.add(entry.key, fmt::format("{}: no key of [{}] that could be bounded",
                                                shown(name), table));
        } else if (!fits(entry.value, key->type)) {
            reporter.add(entry.value.where,
                         fmt::format("{}: expected {}", name, form_of(key->type)));
        } else {
            bounds_.push_back({.table = table, .key = name, .limit = entry.value});
        }
    }
}

bool Ceiling::excepts(const std::string& unit) const {
    const NameParts parts = split_name(unit);
    return std::ranges::any_of(exceptions_, [&](const std::string& name) {
        return name == unit || (parts.is_instance && name == parts.prefix + "@");
    });
}

void Ceiling::check(const std::string& unit, const Document& merged, const Schema& schema,
                    Reporter& reporter) const {
    if (excepts(unit)) return;
    for (const Bound& bound : bounds_) check_bound(bound, merged, schema, reporter);
    check_optional(merged, reporter);
}

void Ceiling::check_bound(const Bound& bound, const Document& merged, const Schema& schema,
                          Reporter& reporter) const {
    const Key* key = schema.find_key(bound.table, bound.key);
    if (key == nullptr) return;
    const Value* written = merged.find(bound.table, bound.key);
    if (written == nullptr && bound.if_written) return;
    const auto section = merged.sections.find(bound.table);
    const bool left_out = section != merged.sections.end() && section->second.flawed;
    if (written == nullptr && left_out) return;  // the unit does not load; it may have been meant
    const auto fallback = written == nullptr ? default_of(*key) : std::nullopt;
    const Value* value = written != nullptr ? written : fallback ? &*fallback : nullptr;
    std::string why = value == nullptr ? "it is not set"
                                       : objection(*value, bound.limit, key->type,
                                                   spelling_of(bound.table, bound.key));
    if (why.empty()) return;
    if (written == nullptr && value != nullptr) why += " (its default)";
    auto message =
        fmt::format("[{}] {}: {}; the site allows {} ({}:{})", bound.table, bound.key, why,
                    allowance(bound.limit, key->type), source_->name, bound.limit.where.line);
    const auto service = merged.sections.find("service");
    const Where fallback_place = service != merged.sections.end() ? service->second.where : Where();
    reporter.add(written != nullptr ? written->where : fallback_place, std::move(message));
}

}  // namespace jailsvc::config
