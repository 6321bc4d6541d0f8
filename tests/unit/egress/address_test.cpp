#include "egress/address.hpp"

#include <catch2/catch.hpp>

#include "egress/dialer.hpp"
#include "egress/settings.hpp"

namespace jailsvc::egress {
namespace {

std::string range_of(const char* text, const std::vector<Range>& permitted = {}) {
    const auto address = Address::parse(text);
    REQUIRE(address);
    const auto refused = refused_range(*address, permitted);
    return refused ? std::string(*refused) : "";
}

Range range(const char* text) {
    const auto parsed = Range::parse(text);
    REQUIRE(parsed);
    return *parsed;
}

}  // namespace

TEST_CASE("egress: ranges that nobody is connected to", "[egress][S3.3]") {
    const std::pair<const char*, const char*> kCases[] = {
        {"0.0.0.0", "this-network"},
        {"10.0.0.1", "private"},
        {"10.255.255.255", "private"},
        {"100.64.0.1", "shared"},
        {"100.127.255.255", "shared"},
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"169.254.169.254", "link-local"},
        {"172.16.0.1", "private"},
        {"172.31.255.255", "private"},
        {"192.0.0.8", "protocol-assignments"},
        {"192.0.2.1", "documentation"},
        {"192.88.99.1", "6to4-relay"},
        {"192.168.1.1", "private"},
        {"198.18.0.1", "benchmarking"},
        {"198.19.255.255", "benchmarking"},
        {"198.51.100.1", "documentation"},
        {"203.0.113.1", "documentation"},
        {"224.0.0.1", "multicast"},
        {"240.0.0.1", "reserved"},
        {"255.255.255.255", "reserved"},
        {"::", "ipv4-compatible"},
        {"::1", "loopback"},
        {"::127.0.0.1", "ipv4-compatible"},
        {"::ffff:127.0.0.1", "ipv4-mapped"},
        {"::ffff:8.8.8.8", "ipv4-mapped"},
        {"64:ff9b::7f00:1", "nat64"},
        {"64:ff9b::808:808", "nat64"},
        {"64:ff9b:1::1", "nat64"},
        {"100::1", "discard"},
        {"2001::1", "teredo"},
        {"2001:10::1", "protocol-assignments"},
        {"2001:db8::1", "documentation"},
        {"2002:7f00:1::", "6to4"},
        {"2002:808:808::", "6to4"},
        {"3fff::1", "documentation"},
        {"fc00::1", "private"},
        {"fd12:3456::1", "private"},
        {"fe80::1", "link-local"},
        {"fec0::1", "site-local"},
        {"ff02::1", "multicast"},
        {"4000::1", "reserved"},
        {"5f00::1", "reserved"},
    };
    for (const auto& [address, name] : kCases) {
        INFO(address);
        CHECK(range_of(address) == name);
    }
}

TEST_CASE("egress: what is beside those ranges is let through", "[egress][S3.3]") {
    for (const char* address :
         {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
          "128.0.0.1", "169.253.0.1", "172.15.255.255", "172.32.0.0", "192.167.0.1", "192.169.0.1",
          "198.17.0.1", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1",
          "2001:4860:4860::8888", "2003::1"}) {
        INFO(address);
        CHECK(range_of(address).empty());
    }
}

TEST_CASE("egress: a site may open a range, and that alone", "[egress][S3.3]") {
    const std::vector<Range> open{range("10.1.0.0/16"), range("fd00:1::/32")};
    CHECK(range_of("10.1.2.3", open).empty());
    CHECK(range_of("10.2.0.1", open) == "private");
    CHECK(range_of("fd00:1::5", open).empty());
    CHECK(range_of("fd00:2::5", open) == "private");
    SECTION("mapped addresses never are") {
        const std::vector<Range> all{range("0.0.0.0/0"), range("::/0")};
        CHECK(range_of("::ffff:10.1.2.3", all) == "ipv4-mapped");
        CHECK(range_of("127.0.0.1", all).empty());
    }
    SECTION("NAT64 leads no further than IPv4 would") {
        const std::vector<Range> nat64{range("64:ff9b::/96")};
        CHECK(range_of("64:ff9b::808:808", nat64).empty());
        CHECK(range_of("64:ff9b::7f00:1", nat64) == "loopback");
        CHECK(range_of("64:ff9b::a01:203", nat64) == "private");
    }
}

TEST_CASE("egress: ranges are written in one way", "[egress]") {
    CHECK(range("10.1.0.0/16").text() == "10.1.0.0/16");
    CHECK(range("::/0").has(*Address::parse("fe80::1")));
    CHECK_FALSE(range("0.0.0.0/0").has(*Address::parse("fe80::1")));
    CHECK(range("10.1.2.3/32").has(*Address::parse("10.1.2.3")));
    CHECK(range("128.0.0.0/1").has(*Address::parse("255.0.0.1")));
    for (const char* wrong : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0/8",
                              "::/129", "fd00::1/8", "10.0.0.0/8x", "10.0.0.0/-1", "a/8"}) {
        INFO(wrong);
        CHECK_FALSE(Range::parse(wrong));
    }
}

TEST_CASE("egress: both families are tried in turn", "[egress]") {
    const auto at = [](const char* text) { return *Address::parse(text); };
    CHECK(interleaved({at("::1"), at("::2"), at("::3"), at("1.1.1.1"), at("1.1.1.2")}) ==
          std::vector{at("::1"), at("1.1.1.1"), at("::2"), at("1.1.1.2"), at("::3")});
    CHECK(interleaved({}).empty());
}

TEST_CASE("egress: this machine's own addresses are known", "[egress][S3.3]") {
    CHECK(is_own_address(*Address::parse("127.0.0.1")));
    CHECK_FALSE(is_own_address(*Address::parse("192.0.2.1")));
}

TEST_CASE("egress: settings that cannot be meant are told with their place", "[egress]") {
    const auto none = parse_settings("", "egress.toml");
    REQUIRE(none);
    CHECK(none->permit_ranges.empty());
    const auto some = parse_settings(
        "permit_ranges = [\"10.1.0.0/16\"]\nnameservers = [\"192.0.2.1\", \"[::1]:53\"]\n"
        "idle_timeout = 5\n",
        "egress.toml");
    REQUIRE(some);
    CHECK(some->permit_ranges.size() == 1);
    CHECK(some->nameservers == "192.0.2.1,[::1]:53");
    CHECK(some->idle_timeout == 5);
    const std::pair<const char*, const char*> kWrong[] = {
        {"permit_rangs = []", "egress.toml:1:1: permit_rangs: not known"},
        {"permit_ranges = \"10.0.0.0/8\"", "permit_ranges: expected an array"},
        {"permit_ranges = [\"10.0.0.1/8\"]", "begins at 10.0.0.0"},
        {"\nlifetime = 0", "egress.toml:2:12: lifetime: expected a number from 1"},
        {"connections = 2.5", "connections: expected a number"},
        {"nameservers = []", "nameservers: expected"},
        {"nameservers = [\"1.1.1.1,2.2.2.2\"]", "nameservers: expected"},
        {"= 1", "egress.toml:1:"},
    };
    for (const auto& [text, message] : kWrong) {
        const auto wrong = parse_settings(text, "egress.toml");
        INFO(text);
        REQUIRE_FALSE(wrong);
        CHECK_THAT(wrong.error().message, Catch::Contains(message));
    }
}

}  // namespace jailsvc::egress
