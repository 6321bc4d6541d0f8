#include "config/job_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/checks.hpp"
#include "config/effective.hpp"
#include "config/nearest.hpp"
#include "config/typed_value.hpp"

namespace jailsvc::config {
namespace {

constexpr const char* kSourceName = "run";
constexpr std::size_t kMaxDescription = 200;

Value text_of(std::string text) {
    return {.where = {}, .data = Text{.text = std::move(text), .where = {}}};
}
Value flag(bool on) {
    return {.where = {}, .data = on};
}

/// The command line for people: on one line, and not all of a long one.
std::string description_of(const std::vector<std::string>& command) {
    std::string text;
    for (const std::string& word : command) {
        text += (text.empty() ? "" : " ") + word;
        if (text.size() > kMaxDescription) break;
    }
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    if (text.size() <= kMaxDescription) return text;
    text.resize(kMaxDescription);
    // Not in the middle of a character of several bytes.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0) text.pop_back();
    return text + "...";
}

/// A per cent sign begins a specifier in a unit file.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) out += c == '%' ? std::string("%%") : std::string(1, c);
    return out;
}

class Maker {
public:
    Maker(const Schema& schema, const JobWish& wish) : schema_(schema), wish_(wish) {}

    Checked<std::string> make() {
        put("unit", "description", text_of(escaped(description_of(wish_.command))));
        put_command();
        if (!wish_.profile.empty()) put("jail", "profile", text_of(escaped(wish_.profile)));
        put_logging();
        put_job();
        put_environment();
        for (const std::string& one : wish_.timer) put_timer(one);
        for (const std::string& one : wish_.properties) put_property(one);
        if (!reporter_.empty()) return std::unexpected(reporter_.take());
        return checked_text();
    }

private:
    void put(const std::string& table, const std::string& key, Value value) {
        document_.sections[table].keys.insert_or_assign(key, std::move(value));
    }
    void complain(std::string message) { reporter_.add_file(kSourceName, std::move(message)); }

    void put_command() {
        TextList words;
        for (const std::string& word : wish_.command) {
            words.push_back({.text = escaped(word), .where = {}});
        }
        put("service", "exec_start", {.where = {}, .data = std::move(words)});
    }
    void put_logging() {
        put("logging", "split", flag(true));
        put("logging", "output_cap", text_of(wish_.output_cap));
    }
    void put_job() {
        put("job", "keep", text_of(wish_.keep));
        if (wish_.stdin_) put("job", "stdin", flag(true));
        if (wish_.terminal) put("job", "terminal", flag(true));
    }
    void put_environment() {
        TextMap variables;
        for (const std::string& one : wish_.environment) {
            const auto [name, value] = halves(one, '=');
            if (name.empty()) {
                complain(fmt::format("--env {}: write NAME=VALUE", shown(one)));
                continue;
            }
            variables.insert_or_assign(name, Text{.text = escaped(value), .where = {}});
        }
        if (!variables.empty()) {
            put("environment", "set", {.where = {}, .data = std::move(variables)});
        }
    }

    /// In two at the first `mark`; the first half is empty where there is none.
    static std::pair<std::string, std::string> halves(const std::string& text, char mark) {
        const std::size_t at = text.find(mark);
        if (at == std::string::npos) return {"", text};
        return {text.substr(0, at), text.substr(at + 1)};
    }

    void put_timer(const std::string& one) {
        auto [key, text] = halves(one, '=');
        if (key.empty()) return complain(fmt::format("--timer {}: write KEY=VALUE", shown(one)));
        // A single event needs no list around it.
        if (key == "on_calendar" && !text.starts_with('[')) {
            TextList events{{.text = text, .where = {}}};
            return put("timer", key, {.where = {}, .data = std::move(events)});
        }
        put_typed("timer", key, text, "--timer");
    }
    void put_property(const std::string& one) {
        const auto [name, text] = halves(one, '=');
        const std::size_t dot = name.rfind('.');
        if (name.empty() || dot == std::string::npos) {
            return complain(fmt::format(
                "--property {}: write TABLE.KEY=VALUE, as in jail.cgroups.memory_max=64M",
                shown(one)));
        }
        put_typed(name.substr(0, dot), name.substr(dot + 1), text, "--property");
    }
    void put_typed(const std::string& table, const std::string& name, const std::string& text,
                   const char* option) {
        const Table* known = schema_.find(table);
        if (known == nullptr) {
            std::vector<std::string> tables;
            for (const Table& each : schema_.tables) tables.push_back(each.name);
            return unknown(option, fmt::format("no table [{}]", table.substr(0, kMaxName)),
                           nearest(table, tables));
        }
        const Key* key = schema_.find_key(table, name);
        if (key == nullptr || key->name != name) {
            std::vector<std::string> keys;
            for (const Key& each : known->keys) keys.push_back(each.name);
            return unknown(option, fmt::format("no key {} in [{}]", shown(name), table),
                           nearest(name, keys));
        }
        auto value =
            typed_value(schema_, table, *key, text, {.name = kSourceName, .reporter = reporter_});
        if (value) put(table, name, std::move(*value));
    }
    void unknown(const char* option, const std::string& what, const std::string& near) {
        complain(fmt::format("{}: {}{}", option, what,
                             near.empty() ? "" : "; did you mean \"" + near + "\"?"));
    }

    /// Read again as a file would be: what is not taken so must not be written.
    Checked<std::string> checked_text() {
        std::string text =
            "# Written by `jailsvc run`; goes when the job is over and was kept for a while.\n" +
            to_toml(document_);
        const SourceText source{.name = kSourceName, .text = text};
        auto again = parse_document(source, schema_, reporter_);
        if (again) {
            expand(*again, specifiers_for({}, "job"), reporter_);
            check_document(*again, schema_, reporter_);
            check_whole(*again, reporter_);
        }
        if (!reporter_.empty() || !again) return std::unexpected(reporter_.take());
        return text;
    }

    const Schema& schema_;
    const JobWish& wish_;
    Document document_;
    Reporter reporter_;
};

}  // namespace

Checked<std::string> job_file(const Schema& schema, const JobWish& wish) {
    return Maker(schema, wish).make();
}

}  // namespace jailsvc::config
