#include <catch2/catch.hpp>

#include "jailer/net/addresses.hpp"
#include "jailer/net/netlink.hpp"
#include "jailer/net/rules.hpp"

using namespace jailsvc::jailer;

namespace {

const NetNames kNames{.table = "jailsvc", .prefix = "jsv1a2b-", .mark = "jailsvc 1a2b "};
const NetRules kWeb{.guards = {{"jsv1a2b-2", "10.213.0.2"}},
                    .edges = {{"10.213.0.2", "10.213.0.3", "tcp", 8080}},
                    .forwards = {{"tcp", 80, "10.213.0.2", 3000}}};

}  // namespace

TEST_CASE("network rules: elements are written as nft reads them", "[network]") {
    CHECK(element_commands(kNames, "add", kWeb) ==
          "add element inet jailsvc guards { \"jsv1a2b-2\" . 10.213.0.2 }\n"
          "add element inet jailsvc edges { 10.213.0.2 . 10.213.0.3 . tcp . 8080 }\n"
          "add element inet jailsvc entries { 10.213.0.2 . tcp . 3000 }\n"
          "add element inet jailsvc forwards { tcp . 80 : 10.213.0.2 . 3000 }\n");
    CHECK(element_commands(kNames, "add", {}).empty());
    NetRules twice = kWeb;  // two ports of the host, one of the jail
    twice.forwards.push_back({"tcp", 81, "10.213.0.2", 3000});
    CHECK(element_commands(kNames, "delete", twice).find("{ 10.213.0.2 . tcp . 3000 }") !=
          std::string::npos);
}

TEST_CASE("network rules: a table is read back, handles aside", "[network]") {
    const char* json = R"({"nftables": [{"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "jailsvc", "handle": 1}},
        {"set": {"name": "guards", "elem": [{"concat": ["jsv1a2b-2", "10.213.0.2"]}]}},
        {"set": {"name": "edges",
                 "elem": [{"concat": ["10.213.0.2", "10.213.0.3", "tcp", 8080]},
                          {"concat": ["10.213.0.3", "10.213.0.2", 17, 53]}]}},
        {"map": {"name": "forwards", "elem": [[{"concat": ["tcp", 80]},
                                               {"concat": ["10.213.0.2", 3000]}]]}},
        {"chain": {"name": "guard", "handle": 5}},
        {"rule": {"chain": "guard", "handle": 6, "expr": [{"drop": null}]}}]})";
    const auto table = parse_table(kNames, json);
    REQUIRE(table);
    CHECK(table->rules.of_address("10.213.0.2") == kWeb);
    CHECK(table->rules.edges.size() == 2);
    CHECK(table->rules.edges[1].protocol == "udp");
    CHECK(table->chains.find("handle") == std::string::npos);
    CHECK(std::count(table->chains.begin(), table->chains.end(), '\n') == 2);
    for (const char* bad :
         {"", "{}", R"({"nftables": [{"set": {"name": "guards", "elem": [{"concat": [1]}]}}]})",
          R"({"nftables": [{"set": {"name": "edges", "elem": ["x"]}}]})"}) {
        INFO(bad);
        CHECK_FALSE(parse_table(kNames, bad));
    }
}

TEST_CASE("network rules: installations keep apart", "[network]") {
    CHECK(NetNames::of("/run/jailsvc").table == "jailsvc");
    const NetNames other = NetNames::of("/srv/state/run");
    CHECK(other.table != "jailsvc");
    CHECK(other.prefix != NetNames::of("/run/jailsvc").prefix);
    CHECK((other.prefix + "65533").size() <= 15);  // IFNAMSIZ without its NUL
}

TEST_CASE("network addresses: a range is a network, not an address in one", "[network]") {
    const auto range = NetRange::parse("10.213.0.0/16");
    REQUIRE(range);
    CHECK(to_text(range->gateway()) == "10.213.0.1");
    CHECK(to_text(*range->of_unit(258)) == "10.213.1.2");
    CHECK(range->overlaps(0x0ad50100, 24));
    CHECK(range->overlaps(0x0a000000, 8));
    CHECK_FALSE(range->overlaps(0x0ad60000, 16));
    const auto small = NetRange::parse("192.168.7.0/29");
    REQUIRE(small);
    CHECK(small->of_unit(6));
    CHECK_FALSE(small->of_unit(7));
    for (const char* bad : {"", "10.213.0.0", "10.213.0.1/16", "10.213.0.0/7", "10.213.0.0/30",
                            "10.213.0.0/16x", "10.213/16", "::/16", "10.213.0.0/-1"}) {
        INFO(bad);
        CHECK_FALSE(NetRange::parse(bad));
    }
}

TEST_CASE("netlink: an answer whose lengths do not add up has no attributes", "[network]") {
    std::string payload(16, '\0');                  // a fixed part
    payload += std::string("\x08\0\x01\0abcd", 8);  // length 8, type 1
    NetlinkAnswer answer{1, payload};
    CHECK(answer.attribute(16, 1) == "abcd");
    CHECK_FALSE(answer.attribute(16, 2));
    answer.payload[16] = '\x20';  // longer than what is there
    CHECK_FALSE(answer.attribute(16, 1));
    answer.payload[16] = '\x02';  // shorter than its own header
    CHECK_FALSE(answer.attribute(16, 1));
    CHECK_FALSE(answer.attribute(64, 1));
}
