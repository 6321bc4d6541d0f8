#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace jailsvc::ctl {

std::string human_bytes(std::uint64_t bytes) {
    constexpr double kStep = 1024.0;
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    constexpr std::string_view kUnits = "BKMGT";
    while (value >= kStep && unit + 1 < kUnits.size()) {
        value /= kStep;
        ++unit;
    }
    const bool fraction = unit > 0 && value < 10.0;
    return fmt::format("{:.{}f}{}", value, fraction ? 1 : 0, kUnits[unit]);
}

std::string human_duration(std::uint64_t microseconds) {
    struct Unit {
        std::uint64_t microseconds;
        std::string_view name;
    };
    constexpr Unit kUnits[] = {
        {86'400'000'000, "d"}, {3'600'000'000, "h"}, {60'000'000, "min"},
        {1'000'000, "s"},      {1'000, "ms"},        {1, "us"},
    };
    for (std::size_t i = 0; i < std::size(kUnits); ++i) {
        const auto& unit = kUnits[i];
        if (microseconds < unit.microseconds) continue;
        std::string text = fmt::format("{}{}", microseconds / unit.microseconds, unit.name);
        const bool second_unit = unit.microseconds > 1'000'000;
        const std::uint64_t rest =
            second_unit ? microseconds % unit.microseconds / kUnits[i + 1].microseconds : 0;
        if (rest > 0) text += fmt::format(" {}{}", rest, kUnits[i + 1].name);
        return text;
    }
    return "0s";
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {  // a colour sequence ends with 'm'
            while (i < text.size() && text[i] != 'm') ++i;
            continue;
        }
        const bool continuation = (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U;
        if (!continuation) ++width;
    }
    return width;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        if (widths.size() < row.size()) widths.resize(row.size(), 0);
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], display_width(row[i]));
        }
    }
    std::string out;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += row[i];
            if (i + 1 == row.size()) break;
            out.append(widths[i] - display_width(row[i]) + 2, ' ');
        }
        out += '\n';
    }
    return out;
}

std::string paint(bool enabled, Colour colour, std::string_view text) {
    if (!enabled) return std::string(text);
    std::string_view code;
    switch (colour) {
        case Colour::kGreen:
            code = "32";
            break;
        case Colour::kYellow:
            code = "33";
            break;
        case Colour::kRed:
            code = "31";
            break;
        case Colour::kGrey:
            code = "90";
            break;
        case Colour::kBold:
            code = "1";
            break;
    }
    return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string with_hint(std::string_view unit, std::string because) {
    if (because == "exit code 0") return because;  // a job that is done: nothing to look into
    const bool ended = because.starts_with("exit code") || because.starts_with("ended by") ||
                       because.find(": exit code") != std::string::npos;
    if (!ended) return because;
    // "db failed: exit code 1" is said of what required db.
    const std::string_view other = std::string_view(because).substr(0, because.find(" failed: "));
    const bool own = other.size() == because.size() || other.find(' ') != std::string_view::npos;
    return fmt::format("{}; `jailsvc logs {}` shows what it said", because, own ? unit : other);
}

std::string printable(std::string_view text) {
    std::string out(text);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto byte = static_cast<unsigned char>(out[i]);
        if ((byte < 0x20 && out[i] != '\t') || byte == 0x7f) out[i] = '?';
        // U+0080 to U+009F, two bytes each: terminals take some of them for escape sequences.
        const bool pair = byte == 0xc2 && i + 1 < out.size();
        if (pair && static_cast<unsigned char>(out[i + 1]) < 0xa0) out[i] = out[i + 1] = '?';
    }
    return out;
}

std::string printable_lines(std::string_view text) {
    constexpr std::string_view kIndent = "\n  ";
    std::string out;
    for (bool first = true;; first = false) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (!first) out += kIndent;
        out += printable(line);
        if (line.size() == text.size()) return out;
        text.remove_prefix(line.size() + 1);
    }
}

}  // namespace jailsvc::ctl
