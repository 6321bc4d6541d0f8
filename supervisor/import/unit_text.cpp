#include "import/unit_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <utility>

namespace jailsvc::import {
namespace {

constexpr std::size_t kMaxLines = 20'000;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r";
    const std::size_t first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// Lines joined where one ends in a backslash; comments between are passed over.
class Lines {
public:
    explicit Lines(std::string_view text) : text_(text) {}

    /// False: no more. `number` is the first line of those joined.
    bool next(std::string& line, std::size_t& number) {
        line.clear();
        bool goes_on = false;
        number = number_ + 1;
        while (!text_.empty()) {
            const std::size_t end = text_.find('\n');
            std::string_view one = trimmed(text_.substr(0, end));
            text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
            ++number_;
            if (one.starts_with('#') || one.starts_with(';')) {
                if (goes_on) continue;
                one = {};
            }
            goes_on = one.ends_with('\\');
            if (goes_on) one.remove_suffix(1);
            line += one;
            if (!goes_on) return true;
            line += ' ';
        }
        return goes_on;
    }

private:
    std::string_view text_;
    std::size_t number_ = 0;
};

/// The character that an escape stands for, its letters taken off; nullopt: none of ours.
std::optional<std::string> unescaped(std::string_view& rest) {
    constexpr std::pair<char, char> kLetters[] = {
        {'a', '\a'}, {'b', '\b'}, {'f', '\f'}, {'n', '\n'},  {'r', '\r'}, {'t', '\t'},
        {'v', '\v'}, {'s', ' '},  {'"', '"'},  {'\'', '\''}, {'\\', '\\'}};
    if (rest.empty()) return std::nullopt;
    const char letter = rest.front();
    rest.remove_prefix(1);
    for (const auto& [name, meaning] : kLetters) {
        if (name == letter) return std::string(1, meaning);
    }
    const int base = letter == 'x' ? 16 : letter >= '0' && letter <= '7' ? 8 : 0;
    const std::size_t digits = letter == 'x' ? 2 : 3;
    const std::string text =
        (letter == 'x' ? "" : std::string(1, letter)) + std::string(rest.substr(0, 2));
    if (base == 0 || text.size() != digits) return std::nullopt;
    char* end = nullptr;
    const unsigned long code = std::strtoul(text.c_str(), &end, base);
    if (*end != '\0' || code == 0 || code > 255) return std::nullopt;
    rest.remove_prefix(2);
    return std::string(1, static_cast<char>(code));
}

}  // namespace

Result<std::vector<Directive>> parse_unit_text(std::string_view file_name, std::string_view text) {
    std::vector<Directive> found;
    std::string section;
    Lines lines(text);
    std::string line;
    for (std::size_t number = 0; lines.next(line, number);) {
        const std::string_view one = trimmed(line);
        const std::string place = fmt::format("{}:{}", file_name, number);
        if (one.empty()) continue;
        if (number > kMaxLines)
            return fail(fmt::format("{}: more than {} lines", place, kMaxLines));
        if (one.starts_with('[') && one.ends_with(']')) {
            section = one.substr(1, one.size() - 2);
            continue;
        }
        const std::size_t equals = one.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return fail(place + ": no \"Key=Value\"");
        }
        found.push_back({place, section, std::string(trimmed(one.substr(0, equals))),
                         std::string(trimmed(one.substr(equals + 1)))});
    }
    return found;
}

Result<std::vector<std::string>> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c == '\\') {
            const auto meant = unescaped(text);
            if (!meant) return fail("an escape that means nothing");
            word += *meant;
            in_word = true;
        } else if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if ((c == '"' || c == '\'') && !in_word) {
            quote = c;
            in_word = true;
        } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            if (std::exchange(in_word, false)) words.push_back(std::exchange(word, {}));
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote != 0) return fail("a quote that does not end");
    if (in_word) words.push_back(std::move(word));
    return words;
}

}  // namespace jailsvc::import
