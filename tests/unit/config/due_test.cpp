#include "config/due.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <ctime>

using namespace jailsvc;
using namespace jailsvc::config;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr WallTime kSecond = 1'000'000;
constexpr WallTime kMidnight = 1'795'305'600 * kSecond;  // 2026-11-22 00:00:00 UTC
constexpr WallTime kHour = 3600 * kSecond;

Schedule schedule(const TimerTable& table) {
    const auto made = Schedule::of(table);
    REQUIRE(made);
    return *made;
}

Schedule daily_at_three(bool persistent) {
    TimerTable table;
    table.on_calendar = std::vector<std::string>{"03:00 UTC"};
    table.persistent = persistent;
    return schedule(table);
}

}  // namespace

TEST_CASE("due: after the boot once, also when that is over", "[config]") {
    TimerTable table;
    table.on_boot = 5min;
    const Schedule once = schedule(table);
    CHECK(next_due(once, {.active_ns = 1}, 0).boot_ns == 300 * kSecondNs);
    CHECK(next_due(once, {.active_ns = 900 * kSecondNs}, 0).boot_ns == 300 * kSecondNs);
    CHECK_FALSE(next_due(once, {.last_run_ns = 300 * kSecondNs}, 0).boot_ns);
    CHECK_FALSE(next_due(once, {}, 0).wall);
}

TEST_CASE("due: after it began to wait once", "[config]") {
    TimerTable table;
    table.on_active = 10s;
    const Schedule once = schedule(table);
    CHECK(next_due(once, {.active_ns = 5 * kSecondNs}, 0).boot_ns == 15 * kSecondNs);
    // A run that somebody asked for before does not count.
    CHECK(next_due(once, {.active_ns = 5 * kSecondNs, .last_run_ns = 6 * kSecondNs}, 0).boot_ns ==
          15 * kSecondNs);
    CHECK_FALSE(
        next_due(once, {.active_ns = 5 * kSecondNs, .last_run_ns = 15 * kSecondNs}, 0).boot_ns);
}

TEST_CASE("due: again and again, counted from the last run", "[config]") {
    TimerTable table;
    table.every = 1min;
    const Schedule again = schedule(table);
    CHECK(next_due(again, {.active_ns = 5 * kSecondNs}, 0).boot_ns == 65 * kSecondNs);
    CHECK(next_due(again, {.active_ns = 5 * kSecondNs, .last_run_ns = 70 * kSecondNs}, 0).boot_ns ==
          130 * kSecondNs);
    table.on_boot = 1s;
    CHECK(next_due(schedule(table), {.active_ns = 5 * kSecondNs}, 0).boot_ns == kSecondNs);
}

TEST_CASE("due: the earliest of several times", "[config]") {
    TimerTable table;
    table.on_calendar = std::vector<std::string>{"05:00 UTC", "03:00 UTC"};
    const TimerPast past{.active_wall = kMidnight};
    CHECK(next_due(schedule(table), past, kMidnight).wall == kMidnight + 3 * kHour);
}

TEST_CASE("due: what the calendar missed while nothing waited is made up if it persists",
          "[config]") {
    const TimerPast past{.active_wall = kMidnight + 12 * kHour,
                         .last_run_wall = kMidnight - 48 * kHour};
    const WallTime now = kMidnight + 12 * kHour;
    // Of three missed ones there is one run: the next counts from that.
    CHECK(next_due(daily_at_three(true), past, now).wall == kMidnight - 45 * kHour);
    CHECK(next_due(daily_at_three(false), past, now).wall == kMidnight + 27 * kHour);
    // The first time ever there is nothing to make up.
    const TimerPast fresh{.active_wall = now};
    CHECK(next_due(daily_at_three(true), fresh, now).wall == kMidnight + 27 * kHour);
}

TEST_CASE("due: what it missed while it waited, asleep or for a clock set forward, is made up",
          "[config]") {
    const TimerPast past{.active_wall = kMidnight};
    CHECK(next_due(daily_at_three(false), past, kMidnight + 4 * kHour).wall ==
          kMidnight + 3 * kHour);
}

TEST_CASE("due: a clock set back behind the last run does not keep it waiting", "[config]") {
    const TimerPast past{.active_wall = kMidnight, .last_run_wall = kMidnight + 3 * kHour};
    CHECK(next_due(daily_at_three(true), past, kMidnight - 24 * kHour).wall ==
          kMidnight - 21 * kHour);
}

TEST_CASE("due: no length runs over the clock's end", "[config]") {
    TimerTable table;
    table.every = Duration::max() - 1ns;
    CHECK_FALSE(next_due(schedule(table), {.active_ns = UINT64_MAX / 2 + 9}, 0).boot_ns);
    TimerTable wrong;
    wrong.on_calendar = std::vector<std::string>{"never"};
    CHECK_FALSE(Schedule::of(wrong));
}
