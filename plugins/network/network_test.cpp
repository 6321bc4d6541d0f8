#include <catch2/catch.hpp>

#include "planned.hpp"

using jailsvc::test::FakeHost;
using jailsvc::test::refusal_by;
using namespace std::string_literals;

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
    CHECK(refusal_by(host).starts_with("mode: \"host\" is at odds with net = true"));
}

TEST_CASE("network: edges and forwards are of a private network", "[plugin][network]") {
    FakeHost host;
    host.keys = {{"mode", "private"s},
                 {"edges", FakeHost::Strings{"api:8080", "dns:53/udp", "a:b:1/tcp"}},
                 {"forwards", FakeHost::Strings{"80:8080", "53:5353/udp"}}};
    host.other_flags["namespaces.mount"] = true;
    host.roots["hosts"] = "/run/jailsvc/hosts";
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    const auto network = host.of_kind(JSV_OP_NETWORK);
    REQUIRE(network.size() == 1);
    CHECK(network[0].number[0] == JSV_NET_PRIVATE);
    CHECK(network[0].text[0] == "10.213.0.0/16");
    const auto* dns = host.find(JSV_OP_NET_EDGE, "dns");
    REQUIRE(dns != nullptr);
    CHECK(dns->number[0] == 53);
    CHECK(dns->number[1] == 17);
    CHECK(host.find(JSV_OP_NET_EDGE, "api")->number[1] == 6);
    CHECK(host.find(JSV_OP_NET_EDGE, "a:b") != nullptr);  // names may have colons in them
    const auto forwards = host.of_kind(JSV_OP_NET_FORWARD);
    REQUIRE(forwards.size() == 2);
    CHECK(forwards[1].number[0] == 53);
    CHECK(forwards[1].number[1] == 5353);
    CHECK(forwards[1].number[2] == 17);
    const auto* hosts = host.find(JSV_OP_BIND, "/run/jailsvc/hosts/web");
    REQUIRE(hosts != nullptr);
    CHECK(hosts->text[1] == "/etc/hosts");

    host.keys["mode"] = "loopback"s;
    CHECK(refusal_by(host).starts_with("edges: is of mode \"private\""));
}

TEST_CASE("network: what is no edge and no forward is refused with its spelling",
          "[plugin][network]") {
    for (const auto* text : {"api", ":80", "api:", "api:0", "api:65536", "api:80/sctp", "api:+1"}) {
        FakeHost host;
        host.keys = {{"mode", "private"s}, {"edges", FakeHost::Strings{text}}};
        CHECK(refusal_by(host).starts_with("edges: \""s + text + "\" is no edge"));
    }
    for (const auto* text : {"80", "80:", ":80", "a:80", "0:80", "1.2.3.4:80:80"}) {
        FakeHost host;
        host.keys = {{"mode", "private"s}, {"forwards", FakeHost::Strings{text}}};
        CHECK(refusal_by(host).starts_with("forwards: \""s + text + "\" is no forward"));
    }
}

TEST_CASE("network: join names another unit", "[plugin][network]") {
    FakeHost host;
    host.keys = {{"mode", "join"s}, {"join", "db"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.find(JSV_OP_NETWORK_JOIN, "db") != nullptr);
    host.keys["join"] = "web"s;
    CHECK(refusal_by(host) == "join: is this unit itself");
    host.keys.erase("join");
    CHECK(refusal_by(host).starts_with("mode: \"join\" needs join"));
    host.keys = {{"join", "db"s}};
    CHECK(refusal_by(host).starts_with("join: is of mode \"join\""));
}
