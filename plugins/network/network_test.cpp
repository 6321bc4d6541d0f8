#include <catch2/catch.hpp>

#include "fake_host.hpp"

using jailsvc::test::FakeHost;
using namespace std::string_literals;

namespace {

std::string refusal(FakeHost host) {
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    return host.failed_key + ": " + host.failure;
}

}  // namespace

TEST_CASE("network: without a mode it is the host's", "[plugin][network]") {
    FakeHost host;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());

    host.keys["mode"] = "host"s;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("network: none and loopback are namespaces of the unit's own", "[plugin][network]") {
    for (const auto& [mode, interfaces] :
         {std::pair{"none"s, JSV_NET_NONE}, std::pair{"loopback"s, JSV_NET_LOOPBACK}}) {
        FakeHost host;
        host.keys["mode"] = mode;
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        REQUIRE(host.ops.size() == 1);
        CHECK(host.ops[0].kind == JSV_OP_NETWORK);
        CHECK(host.ops[0].stage == JSV_STAGE_NAMESPACES);
        CHECK(host.ops[0].number[0] == interfaces);
        CHECK(host.ops[0].key == "mode");
    }
}

TEST_CASE("network: jail.namespaces.net means mode none, and never the host's",
          "[plugin][network]") {
    FakeHost host;
    host.other_flags["namespaces.net"] = true;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 1);
    CHECK(host.ops[0].number[0] == JSV_NET_NONE);

    host.keys["mode"] = "host"s;
    CHECK(refusal(host).starts_with("mode: \"host\" is at odds with net = true"));
}
