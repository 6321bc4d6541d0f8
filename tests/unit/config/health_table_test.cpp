#include <catch2/catch.hpp>

#include "config/health_target.hpp"
#include "config/load.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

std::string verified(const std::string& health, const std::string& service = "") {
    return told(verify_text(test_schema(), "web.toml",
                            "[service]\nexec_start = [\"/bin/x\"]\n" + service + "\n" + health));
}

std::string address_of(const Result<HealthTarget>& target) {
    return target ? to_string(target->address) : target.error().message;
}

}  // namespace

TEST_CASE("health: what is checked is an address that needs no name looked up", "[config][S1.9]") {
    CHECK(address_of(parse_http_target("http://127.0.0.1:8080/healthz")) == "tcp:127.0.0.1:8080");
    CHECK(address_of(parse_http_target("http://localhost")) == "tcp:127.0.0.1:80");
    CHECK(address_of(parse_http_target("http://[::1]/x")) == "tcp:[::1]:80");
    CHECK(address_of(parse_http_target("http://[::1]:81")) == "tcp:[::1]:81");
    CHECK(parse_http_target("http://localhost:3000/a?b=c")->path == "/a?b=c");
    CHECK(parse_http_target("http://localhost:3000")->path == "/");
    CHECK(parse_http_target("http://localhost:3000")->host == "localhost:3000");
    CHECK(address_of(parse_tcp_target("5432")) == "tcp:127.0.0.1:5432");
    CHECK(address_of(parse_tcp_target("localhost:5432")) == "tcp:127.0.0.1:5432");
    CHECK(address_of(parse_tcp_target("[::1]:5432")) == "tcp:[::1]:5432");
    CHECK(address_of(parse_unix_target("/run/x.sock")) == "unix:/run/x.sock");
    CHECK(address_of(parse_unix_target("@x")) == "unix:@x");
    for (const char* bad :
         {"https://127.0.0.1/", "http://", "http://example.org/", "http://user@1.2.3.4/",
          "http://127.0.0.1:0/", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y",
          "http://127.0.0.1/#x", "http://[::1%lo]/", "127.0.0.1"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_http_target(bad));
    }
    CHECK_FALSE(parse_http_target("http://127.0.0.1/" + std::string(2000, 'a')));
    for (const char* bad : {"", "0", "65536", "db:5432", "1.2.3.4", "[::1%lo]:1"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_tcp_target(bad));
    }
    for (const char* bad : {"", "run/x", "/run/../x", "@"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_unix_target(bad));
    }
}

TEST_CASE("health: a table that makes no sense is refused where it is wrong", "[config][S1.9]") {
    CHECK(verified("[health]\nhttp = \"http://127.0.0.1/\"\n").empty());
    CHECK(
        verified("[health]\nexec = [\"/bin/true\"]\non_unhealthy = \"signal\"\nsignal = \"HUP\"\n")
            .empty());
    CHECK(verified("[health]\n").find("web.toml:4:2: [health]: says no check") !=
          std::string::npos);
    CHECK(verified("[health]\ntcp = \"80\"\nunix = \"/x\"\n").find("one check each") !=
          std::string::npos);
    CHECK(verified("[health]\ntcp = \"80\"\non_unhealthy = \"signal\"\n").find("needs signal") !=
          std::string::npos);
    CHECK(verified("[health]\ntcp = \"80\"\nsignal = \"HUP\"\n").find("is for on_unhealthy") !=
          std::string::npos);
    CHECK(verified("[health]\ntcp = \"80\"\nretries = 0\n").find("retries") != std::string::npos);
    CHECK(verified("[health]\ntcp = \"80\"\ninterval = 0\n").find("interval") != std::string::npos);
    CHECK(verified("[health]\nhttp = \"https://x/\"\n").find("for https use exec") !=
          std::string::npos);
    CHECK(verified("[health]\nexec = [\"true\"]\n").find("absolute path") != std::string::npos);
    CHECK(verified("[health]\ntcp = \"80\"\n", "type = \"oneshot\"").find("a oneshot is not up") !=
          std::string::npos);
    CHECK(verified("", "ready = \"health\"").find("needs a [health]") != std::string::npos);
}
