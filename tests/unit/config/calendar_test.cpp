#include "config/calendar.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

using namespace jailsvc;
using namespace jailsvc::config;

namespace {

constexpr WallTime kSecond = 1'000'000;

/// "2026-11-22 13:00:30" in UTC.
WallTime at(const std::string& text) {
    tm civil{};
    const char* const rest = ::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &civil);
    REQUIRE(rest != nullptr);
    return ::timegm(&civil) * kSecond;
}

std::string shown(WallTime time) {
    const time_t seconds = time / kSecond;
    tm civil{};
    ::gmtime_r(&seconds, &civil);
    std::array<char, 64> text{};
    ::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &civil);
    const auto fraction = time % kSecond;
    return fraction == 0 ? text.data() : fmt::format("{}.{:06}", text.data(), fraction);
}

/// The next `count` times after `after`; or "never".
std::vector<std::string> times(const std::string& text, const std::string& after,
                               std::size_t count) {
    INFO(text);
    const auto calendar = Calendar::parse(text);
    REQUIRE(calendar);
    std::vector<std::string> all;
    WallTime time = at(after);
    while (all.size() < count) {
        const auto next = calendar->next_after(time);
        if (!next) {
            if (all.empty()) all.emplace_back("never");
            break;
        }
        all.push_back(shown(*next));
        time = *next;
    }
    return all;
}

std::string next(const std::string& text, const std::string& after) {
    return times(text, after, 1).front();
}

std::string refusal(const std::string& text) {
    const auto calendar = Calendar::parse(text);
    return calendar ? "accepted" : calendar.error().message;
}

class ZoneOfTest {
public:
    explicit ZoneOfTest(const char* zone) {
        ::setenv("TZ", zone, 1);
        ::tzset();
    }
    ZoneOfTest(const ZoneOfTest&) = delete;
    ZoneOfTest& operator=(const ZoneOfTest&) = delete;
    ~ZoneOfTest() {
        ::unsetenv("TZ");
        ::tzset();
    }
};

}  // namespace

TEST_CASE("calendar: what is left out means every day, or the beginning", "[config]") {
    const ZoneOfTest utc("UTC");
    const std::string now = "2026-11-22 13:00:30";  // a Sunday
    CHECK(next("10:00", now) == "2026-11-23 10:00:00");
    CHECK(next("Mon..Fri", now) == "2026-11-23 00:00:00");
    CHECK(next("*-12-25", now) == "2026-12-25 00:00:00");
    CHECK(next("12-25 18:30", now) == "2026-12-25 18:30:00");
    CHECK(next("Sat,Sun", now) == "2026-11-28 00:00:00");
    CHECK(next("sunday 13:00:31", now) == "2026-11-22 13:00:31");
    CHECK(next("*:*:*", now) == "2026-11-22 13:00:31");
    CHECK(next("*:*", now) == "2026-11-22 13:01:00");
    CHECK(next("hourly", now) == "2026-11-22 14:00:00");
    CHECK(next("Quarterly", now) == "2027-01-01 00:00:00");
    CHECK(next("@1800000000", now) == "2027-01-15 08:00:00");
    CHECK(next("@1700000000", now) == "never");
    CHECK(next("26-12-1", now) == "2026-12-01 00:00:00");
    CHECK(next("2026-02-29", now) == "never");
}

TEST_CASE("calendar: a time is strictly after the last one", "[config]") {
    const ZoneOfTest utc("UTC");
    CHECK(next("*:*:00", "2026-11-22 13:00:00") == "2026-11-22 13:01:00");
    CHECK(times("*:*:0/0.5", "2026-11-22 13:00:59", 3) ==
          std::vector<std::string>{"2026-11-22 13:00:59.500000", "2026-11-22 13:01:00",
                                   "2026-11-22 13:01:00.500000"});
}

TEST_CASE("calendar: steps and ranges, also from the end of a month", "[config]") {
    const ZoneOfTest utc("UTC");
    const std::string now = "2026-11-22 13:00:30";
    CHECK(times("*-*-5..9/2", now, 3) == std::vector<std::string>{"2026-12-05 00:00:00",
                                                                  "2026-12-07 00:00:00",
                                                                  "2026-12-09 00:00:00"});
    CHECK(times("*-*~1..7/2", now, 4) ==
          std::vector<std::string>{"2026-11-24 00:00:00", "2026-11-26 00:00:00",
                                   "2026-11-28 00:00:00", "2026-11-30 00:00:00"});
    CHECK(next("*-02~03/2", now) == "2027-02-26 00:00:00");
    CHECK(next("Mon *-05~07/1", now) == "2027-05-31 00:00:00");
    CHECK(next("*-*~1", "2028-02-01 00:00:00") == "2028-02-29 00:00:00");
    CHECK(next("*-*-31", "2026-11-30 12:00:00") == "2026-12-31 00:00:00");
    CHECK(times("8..18/5:30", now, 3) == std::vector<std::string>{"2026-11-22 13:30:00",
                                                                  "2026-11-22 18:30:00",
                                                                  "2026-11-23 08:30:00"});
}

TEST_CASE("calendar: a change of the clock leaves a time out, or lets it come once", "[config]") {
    const ZoneOfTest utc("UTC");
    CHECK(times("02:30 Europe/Berlin", "2026-03-27 12:00:00", 2) ==
          std::vector<std::string>{"2026-03-28 01:30:00", "2026-03-30 00:30:00"});
    CHECK(times("02:30 Europe/Berlin", "2026-10-24 12:00:00", 2) ==
          std::vector<std::string>{"2026-10-25 00:30:00", "2026-10-26 01:30:00"});
    // From within the hour that comes again.
    CHECK(next("*:0/30 Europe/Berlin", "2026-10-25 01:10:00") == "2026-10-25 02:00:00");
    CHECK(times("*:0/30 Europe/Berlin", "2026-03-29 00:20:00", 2) ==
          std::vector<std::string>{"2026-03-29 00:30:00", "2026-03-29 01:00:00"});
}

TEST_CASE("calendar: a zone that is named is not the process's afterwards", "[config]") {
    const ZoneOfTest tokyo("Asia/Tokyo");
    CHECK(next("12:00 America/New_York", "2026-11-22 00:00:00") == "2026-11-22 17:00:00");
    CHECK(next("12:00", "2026-11-22 00:00:00") == "2026-11-22 03:00:00");
    CHECK(std::string(std::getenv("TZ")) == "Asia/Tokyo");
}

TEST_CASE("calendar: what is wrong is told, with how to write it", "[config]") {
    CHECK(refusal("25:00").find("hour 25 is not within 0 to 23") == 0);
    CHECK(refusal("*:*/7").find("write \"0/7\"") != std::string::npos);
    CHECK(refusal("*-*-32").find("day 32 is not within 1 to 31") == 0);
    CHECK(refusal("Foo").find("weekday expected at \"Foo\"") == 0);
    CHECK(refusal("Sat..Mon").find("later weekday") == 0);
    CHECK(refusal("10:00 Mars/Olympus").find("time zone that is installed") != std::string::npos);
    CHECK(refusal("10:00 ../../etc/passwd").find("time zone that is installed") !=
          std::string::npos);
    CHECK(refusal("10").find("':' after the hour expected") == 0);
    CHECK(refusal("").find("calendar event expected") == 0);
    CHECK(refusal(std::string(257, '1')).find("longer than 256") == 0);
    CHECK(refusal("99999999999999999999:0").find("hour expected") == 0);
    CHECK(refusal(std::string("10\0:00", 6)).find("':' after the hour") == 0);
    for (const char* text :
         {"..5:0",  "5..:0",   "5..4:0",  "0/0:0",     "23/2:0",   "*-2~31",  "**-1-1",
          "*1-1",   "@-1",     "@1.5",    "+1:00",     "0x1:0",    "1 :0",    "Mon Tue",
          "UTC",    " ",       "*:30 ",   "10:00 Mon", "2200-1-1", "126-1-1", "*-0-1",
          "1:2:3.", "1:2:3:4", "1-2-3-4", "Mon,,Tue",  "10:00 Z"}) {
        INFO(text);
        CHECK(refusal(text) != "accepted");
    }
}

namespace {

/// What systemd says: its next times, or none for what it refuses.
struct Oracle {
    bool accepts = false;
    std::vector<std::string> times;
};

Oracle ask(const std::string& text, const std::string& after) {
    const std::string command = fmt::format(
        "TZ=UTC systemd-analyze calendar --iterations=3 --base-time='{}' -- '{}' 2>/dev/null",
        after, text);
    FILE* const output = ::popen(command.c_str(), "r");
    REQUIRE(output != nullptr);
    Oracle oracle;
    std::array<char, 512> line{};
    while (::fgets(line.data(), line.size(), output) != nullptr) {
        const std::string said = line.data();
        if (said.find("never") != said.npos) oracle.times.emplace_back("never");
        const auto time = said.find(" UTC");
        const bool next = said.find("Next elapse:") != said.npos;
        if ((next || said.find("Iter. #") != said.npos) && time != said.npos) {
            oracle.times.push_back(said.substr(time - 19, 19));
        }
    }
    oracle.accepts = ::pclose(output) == 0;
    return oracle;
}

/// Mostly sensible events, and such as are wrong in one place.
class Events {
public:
    std::string make() {
        std::string text;
        if (one_in(3)) text += weekday() + " ";
        const bool date = one_in(2);
        if (date) text += one_in(2) ? year() + "-" : "*-";
        // systemd 252 takes three more from the bound with each day in a list from the end.
        const bool from_end = one_in(4);
        if (date) text += field(1, 12) + (from_end ? "~" : "-") + field(1, from_end ? 16 : 31);
        if (!date || one_in(2)) {
            if (date) text += " ";
            text += field(0, 23) + ":" + field(0, 59);
            if (one_in(2)) text += ":" + field(0, 59);
        }
        if (one_in(6)) text += one_in(2) ? " UTC" : " America/New_York";
        return text;
    }

private:
    int number(int least, int most) {
        return std::uniform_int_distribution<int>(least, most)(random_);
    }
    bool one_in(int count) { return number(1, count) == 1; }
    std::string weekday() {
        static constexpr const char* kNames[] = {"Mon", "tue", "Wed",     "Thursday", "Mon..Fri",
                                                 "Sat", "Sun", "Fri,Sun", "Wed..Mon"};
        return kNames[number(0, 8)];
    }
    std::string year() { return one_in(2) ? "2026" : field(2024, 2032); }
    std::string field(int least, int most) {
        if (one_in(3)) return "*";
        std::string text = part(least, most);
        while (one_in(4)) text += "," + part(least, most);
        return text;
    }
    std::string part(int least, int most) {
        const int wide = one_in(30) ? 2 : 0;
        const int from = number(least, most + wide);
        std::string text = std::to_string(from);
        // A range of one second is refused by systemd 252, of one minute it is not.
        if (one_in(4)) text += ".." + std::to_string(number(least, most - 1) + from % 2);
        if (one_in(4)) text += "/" + std::to_string(number(1, 6));
        return text;
    }
    std::mt19937 random_{20260101};
};

}  // namespace

TEST_CASE("calendar: the times are those of systemd", "[config]") {
    if (std::system("systemd-analyze --version >/dev/null 2>&1") != 0) {
        WARN("skipped: systemd-analyze is not installed");
        return;
    }
    const ZoneOfTest utc("UTC");
    Events events;
    const std::string after = "2026-02-27 21:59:30";
    std::size_t accepted = 0, refused = 0;
    for (int i = 0; i < 400; ++i) {
        const std::string text = events.make();
        INFO(text);
        const Oracle oracle = ask(text, after);
        const auto calendar = Calendar::parse(text);
        CHECK(calendar.has_value() == oracle.accepts);
        if (!calendar || !oracle.accepts) {
            ++refused;
            continue;
        }
        ++accepted;
        CHECK(times(text, after, 3) == oracle.times);
    }
    // Both are tried often enough.
    CHECK(accepted > 100);
    CHECK(refused > 20);
}
