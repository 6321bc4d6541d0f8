#include "config/due.hpp"

#include <algorithm>

namespace jailsvc::config {
namespace {

/// Absent where it would be beyond the clock's end.
std::optional<std::uint64_t> later(std::uint64_t begin, Duration length) {
    const auto more = static_cast<std::uint64_t>(length.count());
    if (more > UINT64_MAX - begin) return std::nullopt;
    return begin + more;
}

template <typename Time>
void take_earlier(std::optional<Time>& earliest, std::optional<Time> other) {
    if (other && (!earliest || *other < *earliest)) earliest = other;
}

/// Where the clock was set back behind it, the past counts from now.
WallTime calendar_base(const Schedule& schedule, const TimerPast& past, WallTime now) {
    WallTime base = past.active_wall;
    if (past.last_run_wall) {
        base = schedule.persistent ? *past.last_run_wall : std::max(base, *past.last_run_wall);
    }
    return std::min(base, now);
}

}  // namespace

Result<Schedule> Schedule::of(const TimerTable& table) {
    Schedule schedule;
    for (const std::string& text : table.on_calendar) {
        TRY(auto calendar, Calendar::parse(text));
        schedule.calendar.push_back(std::move(calendar));
    }
    const auto given = [](Duration length) {
        return length == kForever ? std::nullopt : std::optional(length);
    };
    schedule.on_boot = given(table.on_boot);
    schedule.on_active = given(table.on_active);
    schedule.every = given(table.every);
    schedule.persistent = table.persistent;
    return schedule;
}

Due next_due(const Schedule& schedule, const TimerPast& past, WallTime now) {
    Due due;
    const auto once = [&](std::optional<std::uint64_t> at, bool over) {
        if (!over) take_earlier(due.boot_ns, at);
    };
    if (schedule.on_boot) once(later(0, *schedule.on_boot), past.last_run_ns.has_value());
    if (schedule.on_active) {
        const auto at = later(past.active_ns, *schedule.on_active);
        once(at, at && past.last_run_ns && *past.last_run_ns >= *at);
    }
    if (schedule.every) {
        const std::uint64_t base = past.last_run_ns.value_or(past.active_ns);
        take_earlier(due.boot_ns, later(base, *schedule.every));
    }
    const WallTime base = calendar_base(schedule, past, now);
    for (const Calendar& calendar : schedule.calendar) {
        take_earlier(due.wall, calendar.next_after(base));
    }
    return due;
}

}  // namespace jailsvc::config
