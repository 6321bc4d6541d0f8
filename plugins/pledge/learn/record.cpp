#include "record.hpp"

#include <charconv>
#include <cstdio>
#include <vector>

namespace pledge::learn {
namespace {

constexpr std::size_t kMostCalls = 4096;
constexpr std::size_t kMostPaths = 4096;
constexpr std::size_t kLongestPath = 4095;  ///< PATH_MAX without its NUL
constexpr std::string_view kTitle = "jailsvc-learned 1\n";

/// Whether there is room for one more, or it is there already.
template <typename Container, typename Key>
bool fits(const Container& container, const Key& key, std::size_t most) {
    return container.size() < most || container.contains(key);
}

std::string escaped(std::string_view path) {
    std::string out;
    for (const char byte : path) {
        const auto code = static_cast<unsigned char>(byte);
        if (code > 0x20 && code != '%' && code != 0x7f) {
            out += byte;
            continue;
        }
        char text[4];
        std::snprintf(text, sizeof text, "%%%02x", code);
        out += text;
    }
    return out;
}

template <typename Number>
bool parse(std::string_view text, Number& value, int base = 10) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size();
}

std::optional<std::string> unescaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned code = 0;
        if (i + 2 >= text.size() || !parse(text.substr(i + 1, 2), code, 16)) return std::nullopt;
        out += static_cast<char>(code);
        i += 2;
    }
    return out;
}

std::string hexadecimal(std::uint64_t value) {
    char text[17];
    const auto end = std::to_chars(text, text + sizeof text, value, 16).ptr;
    return {text, end};
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    while (true) {
        const auto end = line.find(' ');
        words.push_back(line.substr(0, end));
        if (end == std::string_view::npos) return words;
        line.remove_prefix(end + 1);
    }
}

bool read_call(Record& record, const std::vector<std::string_view>& words) {
    Call call{std::string(words[1])};
    std::uint64_t count = 0;
    bool ok = words.size() == 3 + call.arguments.size() && parse(words[2], count);
    for (std::size_t i = 0; ok && i < call.arguments.size(); ++i) {
        ok = parse(words[3 + i], call.arguments[i], 16);
    }
    if (ok) record.add_call(call, count);
    return ok;
}

bool read_path(Record& record, const std::vector<std::string_view>& words) {
    unsigned uses = 0;
    std::uint64_t count = 0;
    if (words.size() != 4 || !parse(words[1], uses) || !parse(words[2], count)) return false;
    const auto path = unescaped(words[3]);
    if (path) record.add_path(*path, uses, count);
    return path.has_value();
}

bool read_line(Record& record, std::string_view line) {
    const auto words = words_of(line);
    if (words.size() < 2) return false;
    if (words[0] == "call") return read_call(record, words);
    if (words[0] == "path") return read_path(record, words);
    if (words[0] == "runs") return parse(words[1], record.runs);
    if (words[0] == "lost") return parse(words[1], record.lost);
    if (words[0] != "library") return false;
    const auto path = unescaped(words[1]);
    if (path) record.add_library(*path);
    return path.has_value();
}

}  // namespace

void Record::add_call(const Call& call, std::uint64_t count) {
    if (!fits(calls, call, kMostCalls)) {
        lost += count;
        return;
    }
    calls[call] += count;
}

void Record::add_path(std::string_view path, unsigned uses, std::uint64_t count) {
    const std::string key(path);
    if (path.size() > kLongestPath || !fits(paths, key, kMostPaths)) {
        lost += count;
        return;
    }
    PathUse& use = paths[key];
    use.uses |= uses & (kRead | kWrite | kExecute | kCreate);
    use.count += count;
}

void Record::add_library(std::string_view path) {
    const std::string key(path);
    if (path.size() <= kLongestPath && fits(libraries, key, kMostPaths)) libraries.insert(key);
}

void Record::merge(const Record& other) {
    for (const auto& [call, count] : other.calls) add_call(call, count);
    for (const auto& [path, use] : other.paths) add_path(path, use.uses, use.count);
    for (const auto& path : other.libraries) add_library(path);
    runs += other.runs;
    lost += other.lost;
}

std::string to_text(const Record& record) {
    std::string text(kTitle);
    text += "runs " + std::to_string(record.runs) + "\n";
    text += "lost " + std::to_string(record.lost) + "\n";
    for (const auto& [call, count] : record.calls) {
        text += "call " + call.name + " " + std::to_string(count);
        for (const auto argument : call.arguments) text += " " + hexadecimal(argument);
        text += "\n";
    }
    for (const auto& [path, use] : record.paths) {
        text += "path " + std::to_string(use.uses) + " " + std::to_string(use.count) + " " +
                escaped(path) + "\n";
    }
    for (const auto& path : record.libraries) text += "library " + escaped(path) + "\n";
    return text;
}

std::optional<Record> from_text(std::string_view text) {
    if (!text.starts_with(kTitle)) return std::nullopt;
    text.remove_prefix(kTitle.size());
    Record record;
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) return std::nullopt;  // cut short
        if (!read_line(record, text.substr(0, end))) return std::nullopt;
        text.remove_prefix(end + 1);
    }
    return record;
}

}  // namespace pledge::learn
