#include "config/quantity.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

struct TimeUnit {
    std::string_view name;
    std::int64_t ns;
};

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

/// The first name of each unit is the one that format_duration writes; largest first.
constexpr TimeUnit kTimeUnits[] = {
    {"w", 7 * kDay},     {"week", 7 * kDay},   {"weeks", 7 * kDay}, {"d", kDay},
    {"day", kDay},       {"days", kDay},       {"h", kHour},        {"hr", kHour},
    {"hour", kHour},     {"hours", kHour},     {"min", kMinute},    {"m", kMinute},
    {"minute", kMinute}, {"minutes", kMinute}, {"s", kSecond},      {"sec", kSecond},
    {"second", kSecond}, {"seconds", kSecond}, {"ms", 1'000'000},   {"msec", 1'000'000},
    {"us", 1'000},       {"usec", 1'000},      {"ns", 1},           {"nsec", 1},
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void skip_spaces(std::string_view& text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
}

template <typename Predicate>
std::string_view take_while(std::string_view& text, Predicate predicate) {
    std::size_t length = 0;
    while (length < text.size() && predicate(text[length])) ++length;
    const std::string_view taken = text.substr(0, length);
    text.remove_prefix(length);
    return taken;
}

std::unexpected<Error> bad_duration(std::string_view text) {
    return fail(fmt::format(
        "{} is no duration; write \"200ms\", \"1min 30s\", \"infinity\" or a number of seconds",
        shown(text)));
}

std::unexpected<Error> long_duration(std::string_view text) {
    return fail(fmt::format("{} is too long; use \"infinity\" for no limit", shown(text)));
}

std::optional<std::int64_t> unit_size(std::string_view name) {
    if (name.empty()) return kSecond;
    for (const auto& unit : kTimeUnits) {
        if (unit.name == name) return unit.ns;
    }
    return std::nullopt;
}

/// Nanoseconds of ".5" in the given unit; digits that are less than one nanosecond are dropped.
std::int64_t fraction_ns(std::string_view digits, std::int64_t unit) {
    std::int64_t total = 0;
    std::int64_t place = unit;
    for (const char digit : digits) {
        place /= 10;
        total += place * (digit - '0');
    }
    return total;
}

/// One "1.5h" at the head of `rest`, added to `total`.
Result<void> add_part(std::string_view whole, std::string_view& rest, std::int64_t& total) {
    const std::string_view digits = take_while(rest, is_digit);
    std::string_view fraction;
    if (!rest.empty() && rest.front() == '.') {
        rest.remove_prefix(1);
        fraction = take_while(rest, is_digit);
        if (fraction.empty()) return bad_duration(whole);
    }
    skip_spaces(rest);
    const auto unit = unit_size(take_while(rest, is_letter));
    if (digits.empty() || !unit) return bad_duration(whole);
    std::int64_t count = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), count).ec != std::errc{}) {
        return long_duration(whole);
    }
    std::int64_t part = 0;
    if (__builtin_mul_overflow(count, *unit, &part) ||
        __builtin_add_overflow(part, fraction_ns(fraction, *unit), &part) ||
        __builtin_add_overflow(total, part, &total)) {
        return long_duration(whole);
    }
    return {};
}

constexpr std::string_view kByteUnits = "KMGTPE";

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    if (text == "infinity") return kForever;
    std::string_view rest = text;
    skip_spaces(rest);
    if (rest.empty()) return bad_duration(text);
    std::int64_t total = 0;
    while (!rest.empty()) {
        TRY_VOID(add_part(text, rest, total));
        skip_spaces(rest);
    }
    // The largest value means "infinity" and has to be asked for by that name.
    if (total == std::numeric_limits<std::int64_t>::max()) return long_duration(text);
    return Duration(total);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
    std::string_view rest = text;
    const std::string_view digits = take_while(rest, is_digit);
    skip_spaces(rest);
    unsigned shift = 0;
    if (!rest.empty()) {
        if (const auto power = kByteUnits.find(rest.front()); power != std::string_view::npos) {
            shift = 10 * static_cast<unsigned>(power + 1);
            rest.remove_prefix(1);
        }
    }
    const bool tail_ok = rest.empty() || rest == "B" || (shift > 0 && rest == "iB");
    if (digits.empty() || !tail_ok) {
        return fail(
            fmt::format("{} is no size; write \"512M\" (K, M, G, T, P, E) or a number of "
                        "bytes",
                        shown(text)));
    }
    std::uint64_t count = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (parsed.ec != std::errc{} || count > (kLargest >> shift)) {
        return fail(
            fmt::format("{} is too large; the largest size is 8E less one byte", shown(text)));
    }
    return count << shift;
}

std::string format_duration(Duration duration) {
    if (duration == kForever) return "infinity";
    std::int64_t rest = duration.count();
    if (rest == 0) return "0s";
    std::string text;
    for (const auto& unit : kTimeUnits) {
        if (rest < unit.ns) continue;
        text += fmt::format("{}{}{}", text.empty() ? "" : " ", rest / unit.ns, unit.name);
        rest %= unit.ns;
    }
    return text;
}

std::string format_bytes(std::uint64_t bytes) {
    std::size_t power = 0;
    while (bytes != 0 && bytes % 1024 == 0 && power < kByteUnits.size()) {
        bytes /= 1024;
        ++power;
    }
    return power == 0 ? fmt::format("{}", bytes)
                      : fmt::format("{}{}", bytes, kByteUnits[power - 1]);
}

}  // namespace jailsvc::config
