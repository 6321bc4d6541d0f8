#include <ctime>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "config/calendar.hpp"

namespace jailsvc::config {
namespace {

using Part = Calendar::Part;
using Parts = Calendar::Parts;
using Fields = Calendar::Fields;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr int kLastYear = 2199;

/// The process's time zone while it lives; without a name the machine's.
class InZone {
public:
    explicit InZone(const std::string& zone) : named_(!zone.empty()) {
        if (named_) {
            const char* const before = std::getenv("TZ");
            if (before != nullptr) before_ = before;
            ::setenv("TZ", zone.c_str(), 1);
        }
        ::tzset();  // also where it is the same: its file may be another by now
    }
    InZone(const InZone&) = delete;
    InZone& operator=(const InZone&) = delete;
    ~InZone() {
        if (!named_) return;
        before_ ? ::setenv("TZ", before_->c_str(), 1) : ::unsetenv("TZ");
        ::tzset();
    }

private:
    bool named_;
    std::optional<std::string> before_;
};

/// The least value of the field that is not below `least`; -1: there is none up to `most`.
std::int64_t next_in(const Parts& parts, std::int64_t least, std::int64_t most) {
    if (parts.empty()) return least <= most ? least : -1;
    std::int64_t found = -1;
    for (const Part& part : parts) {
        const std::int64_t skipped = std::max<std::int64_t>(0, least - part.from);
        const std::int64_t value = part.from + (skipped + part.step - 1) / part.step * part.step;
        if (value > std::min(part.to, most)) continue;
        if (found == -1 || value < found) found = value;
    }
    return found;
}

bool has(const Parts& parts, std::int64_t value) {
    return next_in(parts, value, value) == value;
}

/// Days counted from the end of a month of that length, counted from its begin.
Parts from_begin(const Parts& days, int length) {
    Parts turned;
    for (const Part& day : days) {
        const auto [least, most] = std::minmax(day.from, day.to);
        turned.push_back({length + 1 - most, length + 1 - least, day.step});
    }
    return turned;
}

struct Day {
    int year, month, day;
};

/// A time of that day, if the day has it, as the clock shows it first.
std::optional<std::int64_t> to_seconds(const Day& day, int hour, int minute) {
    for (const int summer : {1, 0, -1}) {
        tm civil{};
        civil.tm_year = day.year - 1900;
        civil.tm_mon = day.month - 1;
        civil.tm_mday = day.day;
        civil.tm_hour = hour;
        civil.tm_min = minute;
        civil.tm_isdst = summer;
        const tm asked = civil;
        const time_t seconds = ::mktime(&civil);
        const bool same = civil.tm_mday == asked.tm_mday && civil.tm_hour == asked.tm_hour &&
                          civil.tm_min == asked.tm_min && civil.tm_sec == 0;
        if (same) return seconds;
    }
    return std::nullopt;
}

/// Walks through the minutes that fit, from the one of a time on.
class Walk {
public:
    Walk(const Fields& fields, WallTime after) : fields_(fields), after_(after) {}

    std::optional<WallTime> next() {
        // A minute earlier: offsets of a zone have been odd numbers of seconds.
        const time_t seconds = static_cast<time_t>(after_ / kSecond) - 60;
        tm civil{};
        if (::localtime_r(&seconds, &civil) == nullptr) return std::nullopt;
        begin_ = {civil.tm_year + 1900, civil.tm_mon + 1, civil.tm_mday};
        hour_ = civil.tm_hour;
        minute_ = civil.tm_min;
        for (int year = begin_.year; year <= kLastYear; ++year) {
            if (!has(fields_.years, year)) continue;
            if (const auto found = in_year(year)) return found;
        }
        return std::nullopt;
    }

private:
    std::optional<WallTime> in_year(int year) {
        for (int month = year == begin_.year ? begin_.month : 1; month <= 12; ++month) {
            if (!has(fields_.months, month)) continue;
            if (const auto found = in_month(year, month)) return found;
        }
        return std::nullopt;
    }

    std::optional<WallTime> in_month(int year, int month) {
        using namespace std::chrono;
        const std::chrono::year_month both{std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month))};
        const auto length = static_cast<int>(unsigned((both / last).day()));
        const Parts days = fields_.days_from_end ? from_begin(fields_.days, length) : fields_.days;
        const bool first = year == begin_.year && month == begin_.month;
        for (int day = first ? begin_.day : 1; day <= length; ++day) {
            const weekday name(sys_days(both / day));
            if (((fields_.weekdays >> (name.iso_encoding() - 1)) & 1U) == 0) continue;
            if (!has(days, day)) continue;
            if (const auto found = in_day({year, month, day})) return found;
        }
        return std::nullopt;
    }

    std::optional<WallTime> in_day(const Day& day) {
        const bool first =
            day.year == begin_.year && day.month == begin_.month && day.day == begin_.day;
        for (std::int64_t hour = next_in(fields_.hours, first ? hour_ : 0, 23); hour != -1;
             hour = next_in(fields_.hours, hour + 1, 23)) {
            const bool same = first && hour == hour_;
            for (std::int64_t minute = next_in(fields_.minutes, same ? minute_ : 0, 59);
                 minute != -1; minute = next_in(fields_.minutes, minute + 1, 59)) {
                const auto begin =
                    to_seconds(day, static_cast<int>(hour), static_cast<int>(minute));
                if (!begin) continue;
                if (const auto found = in_minute(*begin * kSecond)) return found;
            }
        }
        return std::nullopt;
    }

    std::optional<WallTime> in_minute(WallTime begin) const {
        const std::int64_t least = std::max<std::int64_t>(0, after_ + 1 - begin);
        if (least >= kMinute) return std::nullopt;
        const std::int64_t second = next_in(fields_.seconds, least, kMinute - 1);
        return second == -1 ? std::nullopt : std::optional(begin + second);
    }

    const Fields& fields_;
    WallTime after_;
    Day begin_{};
    int hour_ = 0;
    int minute_ = 0;
};

}  // namespace

std::optional<WallTime> Calendar::next_after(WallTime after) const {
    const InZone zone(fields_.zone);
    return Walk(fields_, after).next();
}

}  // namespace jailsvc::config
