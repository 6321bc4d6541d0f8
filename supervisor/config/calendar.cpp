#include "config/calendar.hpp"

#include <fmt/format.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace jailsvc::config {
namespace {

using Part = Calendar::Part;
using Parts = Calendar::Parts;
using Fields = Calendar::Fields;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxParts = 64;

/// What a field may hold.
struct Limits {
    const char* name;
    std::int64_t least;
    std::int64_t most;
    std::int64_t open_end;   ///< where steps without an end lead
    std::int64_t scale = 1;  ///< a number of the text is that many of the field's
};
constexpr Limits kYear{"year", 1970, 2199, 2199};
constexpr Limits kMonth{"month", 1, 12, 12};
constexpr Limits kDay{"day", 1, 31, 31};
constexpr Limits kDayFromEnd{"day from the end of the month", 1, 28, 1};  // every month has these
constexpr Limits kHour{"hour", 0, 23, 23};
constexpr Limits kMinute{"minute", 0, 59, 59};
constexpr Limits kSeconds{"second", 0, 60 * kSecond - 1, 60 * kSecond - 1, kSecond};

constexpr std::array<std::string_view, 7> kWeekdays = {
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

constexpr std::pair<std::string_view, std::string_view> kShorthands[] = {
    {"minutely", "*-*-* *:*:00"},
    {"hourly", "*-*-* *:00:00"},
    {"daily", "*-*-* 00:00:00"},
    {"weekly", "Mon *-*-* 00:00:00"},
    {"monthly", "*-*-01 00:00:00"},
    {"quarterly", "*-01,04,07,10-01 00:00:00"},
    {"semiannually", "*-01,07-01 00:00:00"},
    {"semi-annually", "*-01,07-01 00:00:00"},
    {"biannually", "*-01,07-01 00:00:00"},
    {"bi-annually", "*-01,07-01 00:00:00"},
    {"yearly", "*-01-01 00:00:00"},
    {"annually", "*-01-01 00:00:00"},
};

bool equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// Reads a text from its front.
struct Reader {
    std::string_view rest;

    bool take(std::string_view text) {
        if (!rest.starts_with(text)) return false;
        rest.remove_prefix(text.size());
        return true;
    }
    std::optional<std::int64_t> digits() {
        std::int64_t number = 0;
        const auto end = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (end.ec != std::errc() || rest.front() == '-') return std::nullopt;
        rest.remove_prefix(static_cast<std::size_t>(end.ptr - rest.data()));
        return number;
    }
    /// Up to a blank, and the blanks after it.
    std::string_view word() {
        const std::string_view taken = rest.substr(0, rest.find(' '));
        rest.remove_prefix(taken.size());
        while (take(" ")) {
        }
        return taken;
    }
};

std::unexpected<Error> expected(std::string_view what, std::string_view at) {
    return fail(fmt::format("{} expected at \"{}\"", what, at));
}

/// A number in the field's own measure; only seconds may have a fraction, of six digits that count.
Result<std::int64_t> read_number(Reader& reader, const Limits& limits) {
    const std::string_view at = reader.rest;
    const auto whole = reader.digits();
    if (!whole || *whole > kYear.most) return expected(limits.name, at);
    std::int64_t number = *whole * limits.scale;
    if (limits.scale == 1 || !reader.rest.starts_with('.') || reader.rest.starts_with("..")) {
        return number;
    }
    reader.take(".");
    if (reader.rest.empty() || reader.rest[0] < '0' || reader.rest[0] > '9') {
        return expected("fraction of a second", at);
    }
    for (std::int64_t worth = limits.scale / 10; !reader.rest.empty(); worth /= 10) {
        const char digit = reader.rest.front();
        if (digit < '0' || digit > '9') break;
        number += (digit - '0') * worth;
        reader.rest.remove_prefix(1);
    }
    return number;
}

Result<void> check_within(std::int64_t number, const Limits& limits) {
    if (number >= limits.least && number <= limits.most) return {};
    return fail(fmt::format("{} {} is not within {} to {}", limits.name, number / limits.scale,
                            limits.least / limits.scale, limits.most / limits.scale));
}

std::int64_t full_year(std::int64_t year) {
    if (year >= 100) return year;
    return year + (year < 70 ? 2000 : 1900);
}

Result<std::int64_t> read_value(Reader& reader, const Limits& limits) {
    TRY(std::int64_t number, read_number(reader, limits));
    if (limits.most == kYear.most) number = full_year(number);
    TRY_VOID(check_within(number, limits));
    return number;
}

/// "5", "5..9", "5/2", "5..9/2".
Result<Part> read_part(Reader& reader, const Limits& limits) {
    if (reader.rest.starts_with("*/")) {
        return fail(fmt::format("a step needs its first {}: write \"{}{}\" for every one of them",
                                limits.name, limits.least / limits.scale, reader.rest.substr(1)));
    }
    TRY(const std::int64_t from, read_value(reader, limits));
    Part part{from, from, 1};
    const bool range = reader.take("..");
    if (range) {
        const std::string_view at = reader.rest;
        TRY(part.to, read_value(reader, limits));
        if (part.to < from) return expected("end of a range that is not before its begin", at);
        if (limits.scale > 1) part.step = limits.scale;
    }
    if (!reader.take("/")) return part;
    const std::string_view at = reader.rest;
    TRY(part.step, read_number(reader, limits));
    if (part.step == 0) return expected("step of at least one", at);
    if (range) {
        part.to = part.from + (part.to - part.from) / part.step * part.step;
        return part;
    }
    part.to = limits.open_end;
    if (part.step > std::abs(part.to - from)) return expected("step within the field", at);
    return part;
}

Result<Parts> read_parts(Reader& reader, const Limits& limits) {
    if (reader.rest == "*" || (reader.rest.starts_with('*') && !reader.rest.starts_with("*/"))) {
        reader.take("*");
        return Parts{};
    }
    Parts parts;
    do {
        if (parts.size() == kMaxParts)
            return fail(fmt::format("{}: over {} parts", limits.name, kMaxParts));
        TRY(const Part part, read_part(reader, limits));
        parts.push_back(part);
    } while (reader.take(","));
    return parts;
}

/// Index of the weekday that the text begins with, by its first three letters or its whole name.
std::optional<unsigned> read_weekday(Reader& reader) {
    for (unsigned i = 0; i < kWeekdays.size(); ++i) {
        for (const std::string_view name : {kWeekdays[i], kWeekdays[i].substr(0, 3)}) {
            if (!equal(reader.rest.substr(0, name.size()), name)) continue;
            reader.rest.remove_prefix(name.size());
            return i;
        }
    }
    return std::nullopt;
}

/// "Mon,Wed..Fri"; a comma may end it.
Result<std::uint8_t> read_weekdays(Reader reader) {
    unsigned days = 0;
    while (!reader.rest.empty()) {
        const std::string_view at = reader.rest;
        const auto first = read_weekday(reader);
        if (!first) return expected("weekday", at);
        auto last = first;
        if (reader.take("..") || reader.take("-")) last = read_weekday(reader);
        if (!last || *last < *first) return expected("later weekday of a range", at);
        for (unsigned day = *first; day <= *last; ++day) days |= 1U << day;
        if (!reader.rest.empty() && !reader.take(",")) return expected("comma", reader.rest);
    }
    return static_cast<std::uint8_t>(days);
}

/// "*-12-24", "12-24", "*-02~03".
Result<void> read_date(Reader reader, Fields& fields) {
    const std::string_view text = reader.rest;
    const auto dashes = std::ranges::count(text, '-') + std::ranges::count(text, '~');
    if (dashes == 2) {
        TRY(fields.years, read_parts(reader, kYear));
        if (!reader.take("-")) return expected("'-' after the year", reader.rest);
    }
    TRY(fields.months, read_parts(reader, kMonth));
    fields.days_from_end = reader.take("~");
    if (!fields.days_from_end && !reader.take("-")) {
        return expected("'-' or '~' after the month", reader.rest);
    }
    TRY(fields.days, read_parts(reader, fields.days_from_end ? kDayFromEnd : kDay));
    return reader.rest.empty() ? Result<void>() : expected("end of the date", reader.rest);
}

/// "08:00", "08:00:30.5".
Result<void> read_time(Reader reader, Fields& fields) {
    TRY(fields.hours, read_parts(reader, kHour));
    if (!reader.take(":")) return expected("':' after the hour", reader.rest);
    TRY(fields.minutes, read_parts(reader, kMinute));
    fields.seconds = {{0, 0, 1}};
    if (reader.take(":")) {
        TRY(fields.seconds, read_parts(reader, kSeconds));
        // Any second, not any microsecond.
        if (fields.seconds.empty()) fields.seconds = {{0, kSeconds.most, kSecond}};
    }
    return reader.rest.empty() ? Result<void>() : expected("end of the time", reader.rest);
}

bool is_zone(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '/' || c == '_' || c == '-' || c == '+';
    };
    if (name.empty() || name.front() == '/' || !std::ranges::all_of(name, fits)) return false;
    return ::access(fmt::format("/usr/share/zoneinfo/{}", name).c_str(), R_OK) == 0;
}

/// The last word, where it names a time zone.
void take_zone(std::string_view& text, Fields& fields) {
    const auto blank = text.rfind(' ');
    if (blank == text.npos) return;
    const std::string_view last = text.substr(blank + 1);
    if (!equal(last, "UTC") && !is_zone(last)) return;
    fields.zone = equal(last, "UTC") ? "UTC" : std::string(last);
    text = text.substr(0, blank);
}

/// "@1700000000": that second, once.
Result<Fields> read_epoch(std::string_view text) {
    Reader reader{text};
    const auto second = reader.digits();
    constexpr std::int64_t kEnd = 7258118400;  // of the year 2199
    if (!second || !reader.rest.empty() || *second >= kEnd) {
        return expected("seconds since the epoch", text);
    }
    const time_t at = *second;
    tm civil{};
    ::gmtime_r(&at, &civil);
    const auto only = [](std::int64_t value) { return Parts{{value, value, 1}}; };
    Fields fields;
    fields.years = only(civil.tm_year + 1900);
    fields.months = only(civil.tm_mon + 1);
    fields.days = only(civil.tm_mday);
    fields.hours = only(civil.tm_hour);
    fields.minutes = only(civil.tm_min);
    fields.seconds = only(civil.tm_sec * kSecond);
    fields.zone = "UTC";
    return fields;
}

Result<Fields> read_words(std::string_view text, Fields fields) {
    Reader reader{text};
    fields.hours = fields.minutes = fields.seconds = {{0, 0, 1}};
    const bool begins_with_day = !reader.rest.empty() && ((reader.rest[0] | 0x20) >= 'a');
    if (begins_with_day) {
        TRY(fields.weekdays, read_weekdays({reader.word()}));
    }
    if (reader.rest.substr(0, reader.rest.find(' ')).find_first_of("-~") != text.npos) {
        TRY_VOID(read_date({reader.word()}, fields));
    }
    if (!reader.rest.empty()) TRY_VOID(read_time({reader.word()}, fields));
    if (!reader.rest.empty())
        return expected("end, or a time zone that is installed,", reader.rest);
    return fields;
}

Result<Fields> read_fields(std::string_view text) {
    Fields fields;
    if (text.starts_with('@')) {
        take_zone(text, fields);
        return read_epoch(text.substr(1));
    }
    take_zone(text, fields);
    if (text.empty() || text.back() == ' ') return expected("calendar event", text);
    for (const auto& [name, meaning] : kShorthands) {
        if (equal(text, name)) return read_words(meaning, std::move(fields));
    }
    return read_words(text, std::move(fields));
}

}  // namespace

Result<Calendar> Calendar::parse(std::string_view text) {
    if (text.size() > kMaxText) return fail(fmt::format("longer than {} characters", kMaxText));
    auto fields = read_fields(text);
    if (fields) return Calendar(std::move(*fields));
    return fail(
        fmt::format("{}; write \"Mon..Fri *-*-* 08:00:00\", \"daily\" or another calendar "
                    "event of systemd.time(7)",
                    fields.error().message));
}

}  // namespace jailsvc::config
