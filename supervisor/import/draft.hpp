#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"

namespace jailsvc::import {

/// What became of one directive of a foreign file. Each has exactly one.
enum class Outcome : std::uint8_t {
    kTranslated,
    kNoted,  ///< translated, or what the jail does anyway, with something to know
    kLeftOut
};
struct Note {
    std::string place;      ///< "nginx.service:12"
    std::string directive;  ///< as it is there
    Outcome outcome = Outcome::kTranslated;
    std::string text;  ///< empty only for kTranslated
};

/// A unit of ours in the making.
struct Draft {
    config::Document document;
    std::vector<Note> notes;

    void put(const std::string& table, const std::string& key, std::string text);
    void put_flag(const std::string& table, const std::string& key, bool on);
    void put_number(const std::string& table, const std::string& key, std::int64_t number);
    void put_list(const std::string& table, const std::string& key,
                  const std::vector<std::string>& list);
    void put_commands(const std::string& table, const std::string& key,
                      const std::vector<std::vector<std::string>>& commands);
    /// At the end of the list, unless it is there.
    void add(const std::string& table, const std::string& key, const std::string& text);
    void add_number(const std::string& table, const std::string& key, std::int64_t number);
    void add_command(const std::string& table, const std::string& key,
                     const std::vector<std::string>& command);
    void set_entry(const std::string& table, const std::string& key, const std::string& name,
                   std::string text);
    void drop(const std::string& table, const std::string& key);
    [[nodiscard]] bool has(const std::string& table, const std::string& key) const {
        return document.find(table, key) != nullptr;
    }
    [[nodiscard]] std::string text_of(const std::string& table, const std::string& key) const;
};

using Drafts = std::map<std::string, Draft>;  ///< by unit's name

/// The unit file: what was not translated, or has to be known, as comments, then the unit.
[[nodiscard]] std::string to_file(const Draft& draft, std::string_view made_of);

/// On one line, without control characters: what foreign files say goes to terminals and comments.
[[nodiscard]] std::string plain(std::string_view text);

/// '%' begins a specifier in our files.
[[nodiscard]] std::string without_specifiers(std::string_view text);

}  // namespace jailsvc::import
