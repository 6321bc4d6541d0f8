#include "pid1/log.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <climits>
#include <string>

#include "pid1/handover.hpp"

using namespace jailsvc;
using namespace jailsvc::pid1;

namespace {

template <typename... Arguments>
std::string printed(std::size_t size, const char* format, Arguments... arguments) {
    char buffer[128];
    std::fill_n(buffer, sizeof buffer, '#');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const std::size_t length = print(buffer, size, format, arguments...);
#pragma GCC diagnostic pop
    CHECK(buffer[length] == '\0');
    CHECK(buffer[size] == '#');
    return {buffer, length};
}

}  // namespace

TEST_CASE("log: numbers and texts are printed as printf would", "[pid1]") {
    CHECK(printed(64, "%s: %d of %u", "web", -7, 42U) == "web: -7 of 42");
    CHECK(printed(64, "%d %d", 0, INT_MIN) == "0 -2147483648");
    CHECK(printed(64, "%zu %ld", ~std::size_t{0}, LONG_MIN) ==
          "18446744073709551615 -9223372036854775808");
}

TEST_CASE("log: what does not fit is cut, and the end is always marked", "[pid1]") {
    CHECK(printed(5, "%s", "abcdefgh") == "abcd");
    CHECK(printed(5, "%s", "abcd") == "abcd");
    CHECK(printed(3, "%d", 12345) == "12");
    CHECK(printed(1, "%d", 12345).empty());
}

TEST_CASE("log: a number is digits alone and fits an int", "[pid1]") {
    CHECK(parse_number("0") == 0);
    CHECK(parse_number("2147483647") == INT_MAX);
    for (const char* text : {"", "-1", " 1", "1 ", "0x1", "2147483648", "99999999999999999999"}) {
        CHECK(parse_number(text) == -1);
    }
}

TEST_CASE("log: every errno has a text", "[pid1]") {
    CHECK(error_text(ENOENT) == std::string("no such file"));
    CHECK(error_text(12345) == std::string("see errno(3)"));
}

TEST_CASE("handover: what the end is told is checked", "[pid1]") {
    End end{};
    const auto read = [&](std::vector<std::string> words) {
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        return read_end(static_cast<int>(arguments.size()), arguments.data(), end);
    };
    REQUIRE(read({"x", "2", "17", "100", "0", "300"}));
    CHECK(end.kind == ipc::ShutdownKind::kReboot);
    CHECK(end.exit_code == 17);
    CHECK(end.three[0] == 100);
    CHECK(end.three[1] == 0);
    CHECK(end.three[2] == 300);
    CHECK_FALSE(read({"x", "6", "17", "100", "0", "300"}));
    CHECK_FALSE(read({"x", "2", "17", "-1", "0", "300"}));
    CHECK_FALSE(read({"x", "2", "17", "100", "0"}));
    CHECK_FALSE(read({"x", "2", "17", "100", "0", "300", "1"}));
    CHECK_FALSE(read({"x"}));
}
