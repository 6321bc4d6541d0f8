#include "config/logging.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::config;

TEST_CASE("logging: sinks are words joined by a plus, or one file", "[config]") {
    CHECK(parse_sinks("log")->set == Sinks::kLog);
    CHECK(parse_sinks("log+journal")->set == (Sinks::kLog | Sinks::kJournal));
    CHECK(parse_sinks("syslog-5424+console+container")->set ==
          (Sinks::kSyslog5424 | Sinks::kConsole | Sinks::kContainer));
    CHECK(parse_sinks("null")->set == 0);
    CHECK(parse_sinks("null")->file.empty());
    const auto file = parse_sinks("file:/var/log/web.out");
    REQUIRE(file);
    CHECK(file->set == 0);
    CHECK(file->file == "/var/log/web.out");
    for (const char* wrong : {"", "log+", "+log", "log+null", "jornal", "LOG", "file:", "file:out",
                              "file:/a/../b", "log+file:/x", "log journal"}) {
        INFO(wrong);
        CHECK_FALSE(parse_sinks(wrong));
    }
}
