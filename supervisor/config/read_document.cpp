#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "config/document.hpp"
#include "config/nearest.hpp"

// TOML values -> the schema's types. Names and shapes are checked here, what values mean later.
namespace jailsvc::config {
namespace {

/// Where a value is read, and whom its errors go to.
struct Context {
    std::string_view key;
    Reporter& reporter;

    void expected(const Raw& raw, std::string_view what) const {
        reporter.add(raw.where,
                     fmt::format("{}: expected {}, found {}", key, what, raw.type_name()));
    }
    bool fits(const RawList& list, const Where& where) const {
        if (list.size() <= kMaxListEntries) return true;
        reporter.add(where, fmt::format("{}: more than {} entries", key, kMaxListEntries));
        return false;
    }
};

/// A name from the file without quotes around it.
std::string plain(std::string_view name) {
    const std::string text = shown(name);
    return text.substr(1, text.size() - 2);
}

using Data = decltype(Value::data);

std::optional<Data> read_text(const Raw& raw, const Context& context) {
    if (const auto* text = std::get_if<std::string>(&raw.data)) return Text{*text, raw.where};
    context.expected(raw, "a string");
    return std::nullopt;
}

std::optional<Data> read_bool(const Raw& raw, const Context& context) {
    if (const auto* value = std::get_if<bool>(&raw.data)) return *value;
    context.expected(raw, "true or false");
    return std::nullopt;
}

std::optional<Data> read_integer(const Raw& raw, const Context& context) {
    if (const auto* value = std::get_if<std::int64_t>(&raw.data)) return *value;
    context.expected(raw, "an integer");
    return std::nullopt;
}

/// Numbers of seconds or bytes become the text that means the same.
std::optional<Data> read_duration(const Raw& raw, const Context& context) {
    if (const auto* text = std::get_if<std::string>(&raw.data)) return Text{*text, raw.where};
    if (const auto* whole = std::get_if<std::int64_t>(&raw.data)) {
        return Text{fmt::format("{}s", *whole), raw.where};
    }
    if (const auto* number = std::get_if<double>(&raw.data); number && std::isfinite(*number)) {
        return Text{fmt::format("{}s", *number), raw.where};
    }
    context.expected(raw, "a duration (\"200ms\", or a number of seconds)");
    return std::nullopt;
}

std::optional<Data> read_bytes(const Raw& raw, const Context& context) {
    if (const auto* text = std::get_if<std::string>(&raw.data)) return Text{*text, raw.where};
    if (const auto* whole = std::get_if<std::int64_t>(&raw.data)) {
        return Text{fmt::format("{}", *whole), raw.where};
    }
    context.expected(raw, "a size (\"512M\", or a number of bytes)");
    return std::nullopt;
}

/// The elements of an array as far as they are of type T; each other one is reported.
template <typename T, typename Add>
bool read_elements(const Raw& raw, const Context& context, std::string_view whole,
                   std::string_view element, Add add) {
    const auto* list = std::get_if<RawList>(&raw.data);
    if (list == nullptr) {
        context.expected(raw, whole);
        return false;
    }
    if (!context.fits(*list, raw.where)) return false;
    for (const Raw& one : *list) {
        if (const auto* value = std::get_if<T>(&one.data)) {
            add(*value, one.where);
        } else {
            context.expected(one, element);
        }
    }
    return true;
}

std::optional<TextList> read_texts(const Raw& raw, const Context& context, std::string_view what) {
    TextList out;
    const auto add = [&out](const std::string& text, const Where& where) {
        out.push_back({text, where});
    };
    if (!read_elements<std::string>(raw, context, what, "a string", add)) return std::nullopt;
    return out;
}

std::optional<Data> read_list(const Raw& raw, const Context& context) {
    return read_texts(raw, context, "an array of strings");
}

std::optional<Data> read_integers(const Raw& raw, const Context& context) {
    IntegerList out;
    const auto add = [&out](std::int64_t number, const Where&) { out.push_back(number); };
    if (!read_elements<std::int64_t>(raw, context, "an array of integers", "an integer", add)) {
        return std::nullopt;
    }
    return out;
}

/// Integers stand for strings where a number is meant (nofile = 1024), not where the text is: what
/// a program finds in its environment is written as it will be there, and 0x10 or 1_000 are not.
std::optional<std::string> entry_text(const Raw& raw, bool may_be_integer) {
    if (const auto* text = std::get_if<std::string>(&raw.data)) return *text;
    const auto* number = std::get_if<std::int64_t>(&raw.data);
    if (number == nullptr || !may_be_integer) return std::nullopt;
    return fmt::format("{}", *number);
}

std::optional<Data> read_map(const Raw& raw, const Context& context, bool may_be_integer) {
    const auto* table = std::get_if<RawTable>(&raw.data);
    if (table == nullptr) {
        context.expected(raw, "a table of strings");
        return std::nullopt;
    }
    if (table->size() > kMaxListEntries) {
        context.reporter.add(raw.where,
                             fmt::format("{}: more than {} entries", context.key, kMaxListEntries));
        return std::nullopt;
    }
    TextMap out;
    for (const auto& [name, entry] : *table) {
        if (name.empty() || name.size() > kMaxMapName) {
            context.reporter.add(entry.key, fmt::format("{}: a name must have 1 to {} bytes",
                                                        context.key, kMaxMapName));
        } else if (auto text = entry_text(entry.value, may_be_integer)) {
            out.emplace(name, Text{std::move(*text), entry.value.where});
        } else {
            const std::string label = fmt::format("{}.{}", context.key, plain(name));
            Context{label, context.reporter}.expected(
                entry.value, may_be_integer ? "a string or an integer" : "a string");
        }
    }
    return out;
}

constexpr std::string_view kCommandForm = "an array of strings ([\"/usr/bin/true\", \"-x\"])";

/// Without one of its words a command is another: only a whole one is kept.
std::optional<TextList> read_words(const Raw& raw, const Context& context) {
    const std::size_t before = context.reporter.count();
    auto words = read_texts(raw, context, kCommandForm);
    return context.reporter.count() == before ? std::move(words) : std::nullopt;
}

std::optional<Data> read_command(const Raw& raw, const Context& context) {
    return read_words(raw, context);
}

/// One argv array stands for a list of one.
std::optional<Data> read_commands(const Raw& raw, const Context& context) {
    const auto* list = std::get_if<RawList>(&raw.data);
    const bool nested =
        list != nullptr && !list->empty() && std::holds_alternative<RawList>(list->front().data);
    std::vector<TextList> out;
    if (list != nullptr && list->empty()) return out;
    if (!nested) {
        auto command = read_words(raw, context);
        if (!command) return std::nullopt;
        out.push_back(std::move(*command));
        return out;
    }
    if (!context.fits(*list, raw.where)) return std::nullopt;
    for (const Raw& element : *list) {
        if (auto command = read_words(element, context)) out.push_back(std::move(*command));
    }
    return out;
}

/// What can be used of a value: of lists and maps the good entries.
std::optional<Data> read_value(const Raw& raw, const Key& key, const Context& context) {
    switch (key.type) {
        case KeyType::kBool:
            return read_bool(raw, context);
        case KeyType::kInteger:
            return read_integer(raw, context);
        case KeyType::kString:
            return read_text(raw, context);
        case KeyType::kStringList:
            return read_list(raw, context);
        case KeyType::kDuration:
            return read_duration(raw, context);
        case KeyType::kBytes:
            return read_bytes(raw, context);
        case KeyType::kStringMap:
            return read_map(raw, context, key.integers);
        case KeyType::kCommand:
            return read_command(raw, context);
        case KeyType::kCommands:
            return read_commands(raw, context);
        case KeyType::kIntegerList:
            return read_integers(raw, context);
    }
    return std::nullopt;
}

std::string hint(const std::string& near, std::string_view before, std::string_view after) {
    return near.empty() ? std::string()
                        : fmt::format("; did you mean {}{}{}?", before, near, after);
}

constexpr std::size_t kMaxTableName = 64;  // nobody misspells longer ones; bounds the work

/// A short name may be half wrong, and still be none of the others; or cut short.
std::string nearest_table(std::string_view name, const std::vector<std::string>& names) {
    const std::string* best = nullptr;
    std::size_t least = name.size() / 2 + 1;
    for (const std::string& each : names) {
        const bool is_start = name.size() >= 3 && each.starts_with(name);
        const std::size_t distance = is_start ? 0 : edit_distance(name, each);
        if (distance >= least) continue;
        least = distance;
        best = &each;
    }
    return best != nullptr ? *best : std::string();
}

/// Below [jail] only the last part of the names is compared: the prefix is always right.
void unknown_table(const std::string& name, const Where& where, const Schema& schema,
                   Reporter& reporter) {
    const std::string_view prefix = name.starts_with("jail.") ? "jail." : "";
    std::vector<std::string> names;
    for (const Table& table : schema.tables) {
        if (table.name.starts_with(prefix)) names.push_back(table.name.substr(prefix.size()));
    }
    std::string near;
    if (name.size() <= kMaxTableName) {
        near = nearest_table(std::string_view(name).substr(prefix.size()), names);
    }
    reporter.add(where, fmt::format("[{}]: table not known by this build{}", plain(name),
                                    hint(near, fmt::format("[{}", prefix), "]")));
}

/// "; it belongs in [unit]" for a key that other tables have; empty for one that none has.
std::string home_of(const std::string& name, const Schema& schema) {
    std::string homes;
    for (const Table& table : schema.tables) {
        const bool has = std::any_of(table.keys.begin(), table.keys.end(),
                                     [&](const Key& key) { return key.name == name; });
        if (!has) continue;
        homes += fmt::format("{}[{}]", homes.empty() ? "; it belongs in " : " or ", table.name);
    }
    return homes;
}

void unknown_key(const std::string& name, const Where& where, const Table& table,
                 const Schema& schema, Reporter& reporter) {
    std::vector<std::string> names;
    for (const Key& key : table.keys) {
        if (key.name != kRestKey) names.push_back(key.name);
    }
    std::string cure = home_of(name, schema);
    if (cure.empty()) cure = hint(nearest(name, names), "\"", "\"");
    reporter.add(where, fmt::format("{}: key of [{}] not known by this build{}", plain(name),
                                    table.name, cure));
}

class TableReader {
public:
    TableReader(const Schema& schema, Reporter& reporter) : schema_(schema), reporter_(reporter) {}

    Document read(const RawTable& raw) {
        for (const auto& [name, entry] : raw) read_top(name, entry);
        return std::move(document_);
    }

private:
    void read_top(const std::string& name, const RawEntry& entry) {
        // A quoted "jail.chroot" is another name than the table chroot of jail.
        const bool dotted = name.find('.') != std::string::npos;
        const Table* table = dotted ? nullptr : schema_.find(name);
        if (table == nullptr) return unknown_table(name, entry.key, schema_, reporter_);
        read_table(*table, entry);
    }

    /// `jail` holds keys of its own and the plugins' tables; no other table has tables below it.
    void read_table(const Table& table, const RawEntry& entry) {
        if (!table.refusal.empty()) {
            reporter_.add(entry.key, fmt::format("[{}]: {}", table.name, table.refusal));
            return;
        }
        const auto* keys = std::get_if<RawTable>(&entry.value.data);
        if (keys == nullptr) {
            reporter_.add(entry.value.where, fmt::format("{}: expected a table, found {}",
                                                         table.name, entry.value.type_name()));
            return;
        }
        Section& section = document_.sections[table.name];
        section.where = entry.key;
        for (const auto& [name, inner] : *keys) {
            const std::string full = table.name + "." + name;
            if (const Table* below = schema_.find(full)) {
                read_table(*below, inner);
            } else if (const Key* key = find_key(table, name)) {
                read_key(section, *key, inner);
            } else if (is_rest(table, name)) {
                read_rest(section, name, inner);
            } else if (table.name == "jail" && std::holds_alternative<RawTable>(inner.value.data)) {
                unknown_table(full, inner.key, schema_, reporter_);
            } else {
                section.flawed = true;
                unknown_key(name, inner.key, table, schema_, reporter_);
            }
        }
    }

    static const Key* find_key(const Table& table, std::string_view name) {
        const auto found = std::find_if(table.keys.begin(), table.keys.end(),
                                        [&](const Key& key) { return key.name == name; });
        return found == table.keys.end() ? nullptr : &*found;
    }

    void read_key(Section& section, const Key& key, const RawEntry& entry) {
        const std::size_t before = reporter_.count();
        auto data = read_value(entry.value, key, {key.name, reporter_});
        if (reporter_.count() != before) section.incomplete = section.flawed = true;
        if (!data) return;
        section.keys.insert_or_assign(key.name, Value{entry.value.where, std::move(*data)});
    }

    static bool is_rest(const Table& table, std::string_view name) {
        return find_key(table, kRestKey) != nullptr && !is_schema_name(name);
    }

    void read_rest(Section& section, const std::string& name, const RawEntry& entry) {
        const std::string label = plain(name);
        if (name.empty() || name.size() > kMaxMapName) {
            reporter_.add(entry.key, fmt::format("{}: a name must have 1 to {} bytes",
                                                 label.substr(0, kShownName), kMaxMapName));
        } else if (section.keys.size() >= kMaxListEntries) {
            reporter_.add(entry.key, fmt::format("more than {} entries", kMaxListEntries));
        } else if (auto data = read_text(entry.value, {label, reporter_})) {
            section.keys.insert_or_assign(name, Value{entry.value.where, std::move(*data)});
            return;
        }
        section.incomplete = section.flawed = true;
    }

    static constexpr std::size_t kShownName = 64;

    const Schema& schema_;
    Reporter& reporter_;
    Document document_;
};

}  // namespace

Document read_document(const RawTable& raw, const Schema& schema, Reporter& reporter) {
    return TableReader(schema, reporter).read(raw);
}

}  // namespace jailsvc::config
