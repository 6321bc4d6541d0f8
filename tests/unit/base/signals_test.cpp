#include "base/signals.hpp"

#include <catch2/catch.hpp>
#include <csignal>

using namespace jailsvc;

TEST_CASE("signals: are known by name and number", "[base]") {
    CHECK(parse_signal("SIGTERM").value() == SIGTERM);
    CHECK(parse_signal("HUP").value() == SIGHUP);
    CHECK(parse_signal("9").value() == SIGKILL);
    CHECK(parse_signal("RTMIN").value() == SIGRTMIN);
    CHECK(parse_signal("SIGRTMIN+3").value() == SIGRTMIN + 3);
    CHECK(parse_signal("RTMAX").value() == SIGRTMAX);
    CHECK(parse_signal("RTMAX-2").value() == SIGRTMAX - 2);
    for (const char* text : {"", "SIG", "term", "0", "65", "-1", "9x", "+9", "SIGRTMIN+99",
                             "SIGRTMIN+", "RTMIN-1", "RTMIN+1x", "RTMIN+-1", "RTMAX+1", "RTMIN3"}) {
        INFO(text);
        CHECK_FALSE(parse_signal(text).has_value());
    }
    CHECK(parse_signal(std::string(1000, 'x')).error().message.size() < 200);
}

TEST_CASE("signals: what is written is read as the same", "[base]") {
    for (int signo = 1; signo <= SIGRTMAX; ++signo) {
        CHECK(parse_signal(format_signal(signo)).value() == signo);
    }
}
