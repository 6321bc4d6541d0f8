#include "import/draft.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace jailsvc::import {
namespace {

using config::Text;
using config::TextList;
using config::Value;

TextList texts(const std::vector<std::string>& list) {
    TextList out;
    for (const std::string& one : list) out.push_back({.text = one, .where = {}});
    return out;
}

Value& value_of(config::Document& document, const std::string& table, const std::string& key,
                Value otherwise) {
    return document.sections[table].keys.try_emplace(key, std::move(otherwise)).first->second;
}

void put_value(config::Document& document, const std::string& table, const std::string& key,
               Value value) {
    document.sections[table].keys.insert_or_assign(key, std::move(value));
}

}  // namespace

void Draft::put(const std::string& table, const std::string& key, std::string text) {
    put_value(document, table, key, {.where = {}, .data = Text{std::move(text), {}}});
}
void Draft::put_flag(const std::string& table, const std::string& key, bool on) {
    put_value(document, table, key, {.where = {}, .data = on});
}
void Draft::put_number(const std::string& table, const std::string& key, std::int64_t number) {
    put_value(document, table, key, {.where = {}, .data = number});
}
void Draft::put_list(const std::string& table, const std::string& key,
                     const std::vector<std::string>& list) {
    put_value(document, table, key, {.where = {}, .data = texts(list)});
}
void Draft::put_commands(const std::string& table, const std::string& key,
                         const std::vector<std::vector<std::string>>& commands) {
    std::vector<TextList> lists;
    for (const auto& command : commands) lists.push_back(texts(command));
    put_value(document, table, key, {.where = {}, .data = std::move(lists)});
}

void Draft::add(const std::string& table, const std::string& key, const std::string& text) {
    auto& list =
        std::get<TextList>(value_of(document, table, key, {.where = {}, .data = TextList()}).data);
    if (std::ranges::find(list, text, &Text::text) == list.end()) list.push_back({text, {}});
}
void Draft::add_number(const std::string& table, const std::string& key, std::int64_t number) {
    std::get<config::IntegerList>(
        value_of(document, table, key, {.where = {}, .data = config::IntegerList()}).data)
        .push_back(number);
}
void Draft::add_command(const std::string& table, const std::string& key,
                        const std::vector<std::string>& command) {
    std::get<std::vector<TextList>>(
        value_of(document, table, key, {.where = {}, .data = std::vector<TextList>()}).data)
        .push_back(texts(command));
}
void Draft::set_entry(const std::string& table, const std::string& key, const std::string& name,
                      std::string text) {
    std::get<config::TextMap>(
        value_of(document, table, key, {.where = {}, .data = config::TextMap()}).data)
        .insert_or_assign(name, Text{std::move(text), {}});
}
void Draft::drop(const std::string& table, const std::string& key) {
    const auto section = document.sections.find(table);
    if (section != document.sections.end()) section->second.keys.erase(key);
}
std::string Draft::text_of(const std::string& table, const std::string& key) const {
    const Text* text = document.find_text(table, key);
    return text != nullptr ? text->text : std::string();
}

std::string plain(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7f ? ' ' : c;
    }
    return out;
}

std::string without_specifiers(std::string_view text) {
    std::string out;
    for (const char c : text) out += c == '%' ? std::string("%%") : std::string(1, c);
    return out;
}

std::string to_file(const Draft& draft, std::string_view made_of) {
    std::string out = fmt::format("# Made by `jailsvc import` of {}.\n", plain(made_of));
    for (const auto& [outcome, title] :
         {std::pair{Outcome::kLeftOut, "Not translated"}, {Outcome::kNoted, "To know"}}) {
        bool first = true;
        for (const Note& note : draft.notes) {
            if (note.outcome != outcome) continue;
            if (std::exchange(first, false)) out += fmt::format("#\n# {}:\n", title);
            out += fmt::format("#   {}: {}: {}\n", plain(note.place), plain(note.directive),
                               plain(note.text));
        }
    }
    config::Document whole = draft.document;
    std::erase_if(whole.sections, [](const auto& item) { return item.second.keys.empty(); });
    return out + "\n" + config::to_toml(whole);
}

}  // namespace jailsvc::import
