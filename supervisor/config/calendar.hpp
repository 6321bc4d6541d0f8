#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace jailsvc::config {

/// Microseconds since the epoch, in UTC.
using WallTime = std::int64_t;

/// When something is to happen by the clock on the wall, in the grammar of systemd.time(7),
/// "Calendar Events": "Mon..Fri *-*-1,15 08..18/2:00 Europe/Berlin", "daily", "*-02~01", "@0".
///
/// Times of a day that a change to summer time leaves out do not come on that day; those that a
/// change to winter time repeats come once.
class Calendar {
public:
    /// An error says what was expected where.
    [[nodiscard]] static Result<Calendar> parse(std::string_view text);

    /// The first time after `after`; nullopt: never again. No time lies beyond the year 2199. Reads
    /// the file of the time zone (tzset(3)), for a zone that is named through this process's
    /// environment: for one thread at a time.
    [[nodiscard]] std::optional<WallTime> next_after(WallTime after) const;

    /// Every `step` from `from` to `to`. Of days from the end that order may be the other.
    struct Part {
        std::int64_t from = 0;
        std::int64_t to = 0;
        std::int64_t step = 1;
    };
    using Parts = std::vector<Part>;  ///< a value in any of them; none: any value

    struct Fields {
        std::uint8_t weekdays = 0x7f;  ///< bit 0: Monday
        Parts years, months, days;
        bool days_from_end = false;  ///< day 1 is the last of its month
        Parts hours, minutes;
        Parts seconds;     ///< [µs]
        std::string zone;  ///< empty: the machine's
    };

private:
    explicit Calendar(Fields fields) : fields_(std::move(fields)) {}
    Fields fields_;
};

}  // namespace jailsvc::config
