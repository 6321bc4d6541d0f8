#include "jailer/jail/mount_table.hpp"

#include <algorithm>
#include <charconv>

namespace jailsvc::jailer {
namespace {

std::string_view next_word(std::string_view& rest, char separator = ' ') {
    const std::size_t end = rest.find(separator);
    const std::string_view word = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return word;
}

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

/// Blanks in paths come as \040 and the like.
std::string unescape(std::string_view text) {
    if (text.find('\\') == std::string_view::npos) return std::string(text);
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) &&
            is_octal(text[i + 2]) && is_octal(text[i + 3])) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                       (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

std::optional<std::uint64_t> number(std::string_view word) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return value;
}

std::optional<MountEntry> parse_line(std::string_view line) {
    MountEntry entry;
    const auto id = number(next_word(line));
    const auto parent = number(next_word(line));
    if (!id || !parent) return std::nullopt;
    entry.id = *id;
    entry.parent = *parent;
    next_word(line);  // major:minor
    entry.root = unescape(next_word(line));
    entry.point = unescape(next_word(line));
    entry.options = next_word(line);
    for (std::string_view tag = next_word(line); tag != "-"; tag = next_word(line)) {
        if (line.empty()) return std::nullopt;
        if (tag.starts_with("shared:") || tag.starts_with("master:")) entry.propagates = true;
    }
    entry.type = next_word(line);
    entry.source = unescape(next_word(line));
    entry.super_options = line;
    return entry;
}

}  // namespace

bool MountEntry::has_option(std::string_view list, std::string_view option) {
    while (!list.empty()) {
        if (next_word(list, ',') == option) return true;
    }
    return false;
}

std::optional<std::string> MountEntry::option_value(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        std::string_view value = next_word(list, ',');
        if (next_word(value, '=') == name) return std::string(value);
    }
    return std::nullopt;
}

Result<MountTable> MountTable::parse(std::string_view text) {
    MountTable table;
    table.entries_.reserve(static_cast<std::size_t>(std::ranges::count(text, '\n')));
    while (!text.empty()) {
        const std::string_view line = next_word(text, '\n');
        auto entry = parse_line(line);
        if (!entry) return fail("mountinfo: cannot read \"" + std::string(line) + "\"");
        table.entries_.push_back(std::move(*entry));
    }
    return table;
}

const MountEntry* MountTable::find(std::uint64_t id) const {
    const auto found = std::ranges::find(entries_, id, &MountEntry::id);
    return found == entries_.end() ? nullptr : &*found;
}

}  // namespace jailsvc::jailer
