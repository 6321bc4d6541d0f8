#include <catch2/catch.hpp>

#include "fake_host.hpp"

using jailsvc::test::FakeHost;
using namespace std::string_literals;

namespace {

FakeHost host_with(FakeHost::Strings allow, const std::string& mode = "loopback") {
    FakeHost host;
    host.keys["allow"] = std::move(allow);
    host.other_texts["network.mode"] = mode;
    return host;
}

std::string refusal(FakeHost host) {
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    return host.failed_key + ": " + host.failure;
}

}  // namespace

TEST_CASE("egress: a unit that allows nothing has no proxy", "[plugin][egress]") {
    FakeHost host;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
    host = host_with({});
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("egress: each destination is an operation, with the port of the proxy",
          "[plugin][egress][S3.3]") {
    for (const char* mode : {"loopback", "private"}) {
        FakeHost host =
            host_with({"example.org:443", "*.example.org:80", "bücher.example:443"}, mode);
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        REQUIRE(host.ops.size() == 3);
        CHECK(host.ops[1].kind == JSV_OP_EGRESS);
        CHECK(host.ops[1].stage == JSV_STAGE_PARENT);
        CHECK(host.ops[1].text[0] == "*.example.org:80");
        CHECK(host.ops[1].number[0] == 3128);
    }
    FakeHost host = host_with({"example.org:443"});
    host.keys["port"] = std::int64_t{8888};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops[0].number[0] == 8888);
}

TEST_CASE("egress: where there is another way, or no loopback, it is refused",
          "[plugin][egress][S3.3]") {
    for (const char* mode : {"host", "join", ""}) {
        CHECK(refusal(host_with({"example.org:443"}, mode)).starts_with("allow: needs mode = "));
    }
    CHECK(refusal(host_with({"example.org:443"}, "none")).ends_with("is down"));
}

TEST_CASE("egress: what is no destination is refused", "[plugin][egress][S3.3]") {
    for (const char* wrong :
         {"", "example.org", "example.org:0", "example.org:65536", ":443", "example.org:https",
          "a b:443", "a..b:443", "*:443", "*.:443", "https://example.org:443"}) {
        INFO(wrong);
        CHECK(refusal(host_with({wrong})).starts_with("allow: \""s + wrong + "\" "));
    }
    for (const char* address : {"127.0.0.1:80", "127.1:80", "0x7f.1:80", "2130706433:80",
                                "[::1]:80", "::1:80", "*.10:80", "fe80::1%eth0:80"}) {
        INFO(address);
        CHECK(refusal(host_with({address})).find("is an address") != std::string::npos);
    }
    FakeHost host = host_with({"example.org:443"});
    host.keys["port"] = std::int64_t{0};
    CHECK(refusal(host).starts_with("port: "));
    CHECK(refusal(host_with(FakeHost::Strings(1025, "a.b:80"))).find("at most 1024") !=
          std::string::npos);
}
