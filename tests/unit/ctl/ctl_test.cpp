#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zstd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "base/sys.hpp"
#include "log_file.hpp"
#include "log_filter.hpp"
#include "log_time.hpp"
#include "text.hpp"

using namespace jailsvc;
using namespace jailsvc::ctl;

namespace {

Fd file_with(std::string_view text) {
    return sys::sealed_memfd("log", text).value();
}

std::string from(const Fd& file, std::uint64_t offset) {
    return sys::read_memfd(file.get()).value().substr(offset);
}

const std::string kLog =
    "2026-01-31T10:00:00.000000Z one\n"
    "2026-01-31T11:00:00.000000Z two\n"
    "2026-01-31T12:00:00.000000Z three\n";

}  // namespace

TEST_CASE("text: sizes and durations read as people say them", "[ctl]") {
    CHECK(human_bytes(0) == "0B");
    CHECK(human_bytes(1023) == "1023B");
    CHECK(human_bytes(5'452'595) == "5.2M");
    CHECK(human_bytes(500U << 20) == "500M");
    CHECK(human_duration(0) == "0s");
    CHECK(human_duration(350'000) == "350ms");
    CHECK(human_duration(12'900'000) == "12s");
    CHECK(human_duration(185'000'000) == "3min 5s");
    CHECK(human_duration(187'200'000'000) == "2d 4h");
}

TEST_CASE("text: columns are aligned whatever their colour or script", "[ctl]") {
    CHECK(table({{"a", "b"}, {"äöü", "c"}}) == "a    b\näöü  c\n");
    const std::string red = paint(true, Colour::kRed, "x");
    CHECK(display_width(red) == 1);
    CHECK(paint(false, Colour::kRed, "x") == "x");
}

TEST_CASE("text: what a service wrote cannot drive the terminal", "[ctl]") {
    CHECK(printable("a\x1b[31mb\tc\r") == "a?[31mb\tc?");
    CHECK(printable("a\nb") == "a?b");
    CHECK(printable("\xc2\x9b"
                    "31m \xc2\xa0\xc3\xa4") == "??31m \xc2\xa0\xc3\xa4");
    CHECK(printable("\xc2") == "\xc2");
}

TEST_CASE("text: several lines stay lines, each made harmless and set off", "[ctl]") {
    CHECK(printable_lines("one") == "one");
    CHECK(printable_lines("one\n  two\x1b[2J\n\nthree\r") == "one\n    two?[2J\n  \n  three?");
    CHECK(printable_lines("") == "");
}

TEST_CASE("text: a job that is done needs no hint, one that failed does", "[ctl]") {
    CHECK(with_hint("job", "exit code 0") == "exit code 0");
    CHECK(with_hint("web", "db failed: exit code 1") ==
          "db failed: exit code 1; `jailsvc logs db` shows what it said");
    CHECK(with_hint("job", "exit code 1") == "exit code 1; `jailsvc logs job` shows what it said");
}

TEST_CASE("logs: the newest lines are found from the end", "[ctl]") {
    const Fd file = file_with(kLog);
    const std::uint64_t size = kLog.size();
    CHECK(from(file, offset_of_last_lines(file.get(), size, 1).value()) == kLog.substr(64));
    CHECK(from(file, offset_of_last_lines(file.get(), size, 2).value()) == kLog.substr(32));
    CHECK(offset_of_last_lines(file.get(), size, 3).value() == 0);
    CHECK(offset_of_last_lines(file.get(), size, 99).value() == 0);
    CHECK(offset_of_last_lines(file.get(), size, 0).value() == size);
    CHECK(offset_of_last_lines(file.get(), 0, 5).value() == 0);
    SECTION("also when lines are longer than a block") {
        const std::string longer = std::string(200'000, 'x') + "\nlast\n";
        const Fd big = file_with(longer);
        CHECK(from(big, offset_of_last_lines(big.get(), longer.size(), 1).value()) == "last\n");
        CHECK(offset_of_last_lines(big.get(), longer.size(), 2).value() == 0);
    }
}

TEST_CASE("logs: --since finds the first line that is new enough", "[ctl]") {
    const Fd file = file_with(kLog);
    const auto offset = [&](std::string_view since) {
        return offset_since(file.get(), kLog.size(), parse_time(since, 0).value()).value();
    };
    CHECK(offset("2026-01-31T10:00") == 0);
    CHECK(offset("2026-01-31T10:00:01") == 32);
    CHECK(offset("2026-01-31T11:00:00.000000Z") == 32);
    CHECK(offset("2026-01-31T11:30") == 64);
    CHECK(offset("2027-01-01") == kLog.size());
    CHECK(offset("2025-01-01") == 0);
    CHECK(offset_since(file.get(), 0, 1).value() == 0);
}

TEST_CASE("logs: times are durations before now, words and UTC times", "[ctl]") {
    constexpr std::uint64_t kMinute = 60'000'000;
    constexpr std::uint64_t kNoon = 1'769'860'800'000'000;  // 2026-01-31T12:00:00Z
    CHECK(parse_time("10min", kNoon).value() == kNoon - 10 * kMinute);
    CHECK(parse_time("1h 5min", kNoon).value() == kNoon - 65 * kMinute);
    CHECK(parse_time("2 days", kNoon).value() == kNoon - 2880 * kMinute);
    CHECK(parse_time("now", kNoon).value() == kNoon);
    CHECK(parse_time("today", kNoon).value() == kNoon - 720 * kMinute);
    CHECK(parse_time("yesterday", kNoon).value() == kNoon - 2160 * kMinute);
    CHECK(parse_time("2026-01-31 12:00", kNoon).value() == kNoon);
    CHECK(parse_time("2026-01-31T12:00:00.5Z", kNoon).value() == kNoon + 500'000);
    CHECK(parse_time("2026-01-31", kNoon).value() == kNoon - 720 * kMinute);
    for (const char* wrong :
         {"", "soon", "10", "10 parsecs", "99999999999s", "2026/01/31", "2026-02-31", "2026-13-01",
          "2026-01-31 25:00", "2026-01-31 12:00 or so", "999999999d 999999999d"}) {
        INFO(wrong);
        const auto time = parse_time(wrong, kNoon);
        REQUIRE_FALSE(time);
        CHECK(time.error().message.find("use a duration") != std::string::npos);
    }
}

namespace {

std::string all_of(LogFile& file) {
    std::string text;
    for (;;) {
        const auto bytes = file.read();
        REQUIRE(bytes);
        if (bytes->empty()) return text;
        text += *bytes;
    }
}

std::string squeezed(const std::string& text) {
    std::string out(::ZSTD_compressBound(text.size()), '\0');
    out.resize(::ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
    return out;
}

}  // namespace

TEST_CASE("logs: a compressed file reads like a plain one", "[ctl]") {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i) + "\n";
    const std::string compressed = squeezed(text);
    for (const std::uint64_t skipped : {0, 1, 70'000, 200'000}) {
        auto plain = LogFile::open(file_with(text), text.size());
        auto packed = LogFile::open(file_with(compressed), compressed.size());
        REQUIRE((plain && packed));
        CHECK(!plain->compressed());
        CHECK(packed->compressed());
        CHECK(plain->skip(skipped).value() == std::min<std::uint64_t>(skipped, text.size()));
        CHECK(packed->skip(skipped).value() == std::min<std::uint64_t>(skipped, text.size()));
        const std::string rest = text.substr(std::min<std::uint64_t>(skipped, text.size()));
        CHECK(all_of(*plain) == rest);
        CHECK(all_of(*packed) == rest);
    }
    SECTION("a damaged one is an error, not a shorter log") {
        std::string broken = compressed;
        broken[broken.size() / 2] = static_cast<char>(~broken[broken.size() / 2]);
        auto file = LogFile::open(file_with(broken), broken.size());
        REQUIRE(file);
        Result<std::string_view> bytes = file->read();
        while (bytes && !bytes->empty()) bytes = file->read();
        CHECK_FALSE(bytes);
    }
}

TEST_CASE("logs: a query that cannot be met is refused", "[ctl]") {
    const auto refused = [](LogsOptions options) {
        const auto filter = LogFilter::make(options, 1'769'860'800'000'000);
        return !filter && filter.error().code == kUsage;
    };
    CHECK_FALSE(refused({}));
    CHECK(refused({.units = {}, .since = "1min", .until = "1h", .grep = {}, .stream = {}}));
    CHECK(refused(
        {.units = {}, .follow = true, .since = {}, .until = "now", .grep = {}, .stream = {}}));
    CHECK(refused({.units = {}, .since = {}, .until = {}, .grep = "(", .stream = {}}));
    CHECK(refused({.units = {}, .since = {}, .until = {}, .grep = {}, .stream = "stdin"}));
}

TEST_CASE("logs: lines are taken by time, stream and pattern", "[ctl]") {
    const std::string raw = "2026-01-31T11:00:00.000000Z2 it failed";
    const auto line = parse_log_line(raw);
    const auto wants = [&](LogsOptions options) {
        const auto filter = LogFilter::make(options, 1'769'860'800'000'000);
        REQUIRE(filter);
        return filter->wants(line, line->text);
    };
    REQUIRE(line);
    CHECK(wants({}));
    CHECK(wants({.units = {}, .since = "1h", .until = {}, .grep = {}, .stream = {}}));
    CHECK_FALSE(wants({.units = {}, .since = "59min", .until = {}, .grep = {}, .stream = {}}));
    CHECK_FALSE(wants({.units = {}, .since = {}, .until = "61min", .grep = {}, .stream = {}}));
    CHECK(wants({.units = {}, .since = {}, .until = {}, .grep = "fail(ed)?$", .stream = {}}));
    CHECK_FALSE(wants({.units = {}, .since = {}, .until = {}, .grep = "2026", .stream = {}}));
    CHECK(wants({.units = {}, .since = {}, .until = {}, .grep = {}, .stream = "stderr"}));
    CHECK_FALSE(wants({.units = {}, .since = {}, .until = {}, .grep = {}, .stream = "stdout"}));
}
