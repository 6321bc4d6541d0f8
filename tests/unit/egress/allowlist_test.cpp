#include <catch2/catch.hpp>

#include "egress/allowlist.hpp"
#include "egress/host_name.hpp"
#include "egress/policy.hpp"

namespace jailsvc::egress {
namespace {

Allowlist list_of(std::initializer_list<const char*> entries) {
    Allowlist list;
    for (const char* entry : entries) {
        INFO(entry);
        REQUIRE(list.add(entry));
    }
    return list;
}

bool allows(const Allowlist& list, std::string_view host, std::uint16_t port) {
    const auto plain = plain_host(host);
    return plain && list.allows(*plain, port);
}

Reason refusal_of(std::string_view host) {
    const auto plain = plain_host(host);
    return plain ? Reason::kAllowed : plain.error();
}

}  // namespace

TEST_CASE("egress: a host and port are allowed as they are listed", "[egress][S3.3]") {
    const Allowlist list = list_of({"Example.org:443", "dots.example.:80", "one:8080"});
    CHECK(allows(list, "example.org", 443));
    CHECK(allows(list, "EXAMPLE.ORG.", 443));
    CHECK(allows(list, "dots.example", 80));
    CHECK(allows(list, "one", 8080));
    for (const char* other : {"example.org.evil.test", "anexample.org", "www.example.org",
                              "example.orgx", "example.or", "org", "one.test"}) {
        INFO(other);
        CHECK_FALSE(allows(list, other, 443));
    }
    CHECK_FALSE(allows(list, "example.org", 80));
    CHECK_FALSE(allows(list, "example.org", 0));
    CHECK_FALSE(Allowlist().allows("example.org", 443));
}

TEST_CASE("egress: a star stands for every name below, not for the apex", "[egress][S3.3]") {
    const Allowlist list = list_of({"*.example.org:443"});
    CHECK(allows(list, "www.example.org", 443));
    CHECK(allows(list, "a.b.c.example.org.", 443));
    CHECK_FALSE(allows(list, "example.org", 443));
    CHECK_FALSE(allows(list, ".example.org", 443));
    CHECK_FALSE(allows(list, "wwwexample.org", 443));
    CHECK_FALSE(allows(list, "example.org.test", 443));
    CHECK_FALSE(allows(list, "www.example.org", 80));
    CHECK_FALSE(allows(list, "*.example.org", 443));
}

TEST_CASE("egress: names of other scripts are compared in their ASCII form", "[egress][S3.3]") {
    const Allowlist list = list_of({"bücher.example:443", "*.ПРИМЕР.example:443"});
    CHECK(allows(list, "xn--bcher-kva.example", 443));
    CHECK(allows(list, "XN--BCHER-KVA.example", 443));
    CHECK(allows(list, "www.xn--e1afmkfd.example", 443));
    CHECK_FALSE(allows(list, "bucher.example", 443));
    // A client has to send the ASCII form: what bytes it sends else, two could read differently.
    CHECK(refusal_of("bücher.example") == Reason::kBadHost);
}

TEST_CASE("egress: an entry of the list that cannot be meant is refused", "[egress][S3.3]") {
    Allowlist list;
    for (const char* wrong : {"",
                              "example.org",
                              "example.org:",
                              "example.org:0",
                              "example.org:65536",
                              "example.org:+80",
                              "example.org:80x",
                              ":80",
                              "*:80",
                              "*.:80",
                              "a.*.b:80",
                              "10.0.0.1:80",
                              "[::1]:80",
                              "::1:80",
                              "*.10:80",
                              "0x7f.1:80",
                              "exa mple:80",
                              "a..b:80",
                              "-a.b:80",
                              "https://a.b:443",
                              "a.b/c:80"}) {
        INFO(wrong);
        CHECK_FALSE(list.add(wrong));
    }
    CHECK(list.size() == 0);
    for (std::size_t i = 0; i < Allowlist::kMaxEntries; ++i) REQUIRE(list.add("a.b:80"));
    CHECK_FALSE(list.add("a.b:80"));
}

TEST_CASE("egress: an address is no name, whatever it is written as", "[egress][S3.3]") {
    for (const char* address : {"127.0.0.1",
                                "127.1",
                                "127.0.0.1.",
                                "2130706433",
                                "0x7f.1",
                                "0x7f000001",
                                "0X7F.0.0.1",
                                "0177.0.0.1",
                                "017700000001",
                                "1.2.3.4.5",
                                "a.b.1",
                                "foo.0x",
                                "0",
                                "[::1]",
                                "::1",
                                "::ffff:127.0.0.1",
                                "[::ffff:7f00:1]",
                                "64:ff9b::7f00:1",
                                "fe80::1%eth0",
                                "[fe80::1%25eth0]",
                                "2002:7f00:1::",
                                "%31%32%37.0.0.1"}) {
        INFO(address);
        CHECK(refusal_of(address) == Reason::kIpLiteral);
    }
    for (const char* name : {"1.example", "0x7f.example", "1e1", "127.0.0.1.nip.example", "x0",
                             "_service._tcp.example", "3com.example"}) {
        INFO(name);
        CHECK(refusal_of(name) == Reason::kAllowed);
    }
}

TEST_CASE("egress: what is no name of a host is refused", "[egress][S3.3]") {
    const std::string label(63, 'a');
    const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
    CHECK(refusal_of(longest) == Reason::kAllowed);
    for (const std::string& wrong :
         {std::string(), std::string("."), std::string(".."), std::string("a..b"),
          std::string(".a"), std::string("a b"), std::string("a\0b", 3), std::string("a\r\nb"),
          std::string("a/b"), std::string("a@b"), std::string("a#b"), std::string("-a.b"),
          std::string("a-.b"), std::string("a.b.."), label + "a", longest + "a"}) {
        INFO(wrong);
        CHECK(refusal_of(wrong) == Reason::kBadHost);
    }
}

TEST_CASE("egress: a unit's policy is whole or not there", "[egress][S3.3]") {
    const auto policy = parse_policy("unit web\nallow a.b:80\nallow *.c.d:443\n");
    REQUIRE(policy);
    CHECK(policy->unit == "web");
    CHECK(policy->allowed.size() == 2);
    CHECK(policy->allowed.allows("x.c.d", 443));
    for (const char* wrong : {"", "allow a.b:80\n", "unit web", "unit web\nallow a.b:80",
                              "unit web\nunit two\n", "unit web\nallow 10.0.0.1:80\n",
                              "unit web\nallow\n", "unit web\n\n", "unit web\ndeny a.b:80\n"}) {
        INFO(wrong);
        CHECK_FALSE(parse_policy(wrong));
    }
}

}  // namespace jailsvc::egress
