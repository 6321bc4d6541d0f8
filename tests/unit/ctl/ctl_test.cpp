#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "base/sys.hpp"
#include "log_text.hpp"
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
    const auto offset = [&](const char* since) {
        return offset_since(file.get(), kLog.size(), since).value();
    };
    CHECK(offset("2026-01-31T10:00") == 0);
    CHECK(offset("2026-01-31T10:00:01") == 32);
    CHECK(offset("2026-01-31T11:00:00.000000Z") == 32);
    CHECK(offset("2026-01-31T11:30") == 64);
    CHECK(offset("2027") == kLog.size());
    CHECK(offset("2025") == 0);
    CHECK(offset_since(file.get(), 0, "2026").value() == 0);
}

TEST_CASE("logs: --since takes durations and UTC times, and says so otherwise", "[ctl]") {
    constexpr std::uint64_t kNoon = 1'769'860'800'000'000'000;  // 2026-01-31T12:00:00Z
    CHECK(parse_since("10min", kNoon).value() == "2026-01-31T11:50:00");
    CHECK(parse_since("1h 5min", kNoon).value() == "2026-01-31T10:55:00");
    CHECK(parse_since("2d", kNoon).value() == "2026-01-29T12:00:00");
    CHECK(parse_since("2026-01-31 12:00", kNoon).value() == "2026-01-31T12:00");
    for (const char* wrong : {"", "soon", "10", "10 parsecs", "99999999999s", "2026/01/31"}) {
        INFO(wrong);
        const auto since = parse_since(wrong, kNoon);
        REQUIRE_FALSE(since);
        CHECK(since.error().message.find("use a duration") != std::string::npos);
    }
}
