#include "log_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "base/log_line.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kDay = 86400 * kSecond;

/// The stamp that the given start of one leads to.
std::string completed(std::string_view text) {
    std::string stamp(text);
    if (stamp.size() > 10 && stamp[10] == ' ') stamp[10] = 'T';
    if (stamp.ends_with('Z')) stamp.pop_back();
    constexpr std::string_view kRest = "0000-01-01T00:00:00.000000Z";
    // A fraction may have any number of digits; what else is cut within a field is no time.
    if (stamp.size() < kRest.size()) stamp += kRest.substr(stamp.size());
    return stamp;
}

}  // namespace

Result<std::uint64_t> parse_span(std::string_view text) {
    struct Unit {
        std::string_view name;
        std::uint64_t seconds;
    };
    constexpr Unit kUnits[] = {{"s", 1},        {"sec", 1},      {"m", 60},     {"min", 60},
                               {"h", 3600},     {"hour", 3600},  {"d", 86400},  {"day", 86400},
                               {"hours", 3600}, {"days", 86400}, {"w", 604800}, {"week", 604800}};
    constexpr std::uint64_t kMost = 1'000'000'000;
    std::uint64_t total = 0;
    while (!text.empty()) {
        while (text.starts_with(' ')) text.remove_prefix(1);
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc() || number > kMost) return fail("not a duration");
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        while (text.starts_with(' ')) text.remove_prefix(1);
        const std::string_view name = text.substr(0, text.find_first_of(" 0123456789"));
        const auto* unit = std::ranges::find(kUnits, name, &Unit::name);
        if (unit == std::end(kUnits)) return fail("not a duration");
        total += number * unit->seconds;
        if (total > kMost * 10) return fail("not a duration");
        text.remove_prefix(name.size());
    }
    return total * kSecond;
}

Result<std::uint64_t> parse_time(std::string_view text, std::uint64_t now_us) {
    if (text == "now") return now_us;
    if (text == "today") return now_us - now_us % kDay;
    if (text == "yesterday") return now_us - now_us % kDay - std::min(now_us, kDay);
    if (text.size() >= 10 && text[4] == '-') {
        const std::string stamp = completed(text);
        const auto time = parse_stamp(stamp);
        // Not the 31st of February, which would be some other day.
        char again[kStampLength];
        if (time) write_stamp(again, *time);
        if (time && stamp == std::string_view(again, sizeof again)) return *time;
    } else if (const auto past = parse_span(text); past && !text.empty()) {
        return now_us > *past ? now_us - *past : 0;
    }
    return fail(
        fmt::format("\"{}\": use a duration like \"10min\", \"today\", \"yesterday\", or "
                    "a UTC time like \"2026-01-31 12:00\"",
                    text));
}

}  // namespace jailsvc::ctl
