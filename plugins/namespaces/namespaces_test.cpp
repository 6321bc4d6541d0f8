#include <linux/sched.h>

#include <catch2/catch.hpp>

#include "planned.hpp"

using jailsvc::test::FakeHost;
using jailsvc::test::refusal;
using Strings = FakeHost::Strings;
using namespace std::string_literals;

TEST_CASE("namespaces: absent keys ask for nothing", "[plugin][namespaces]") {
    FakeHost host;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("namespaces: each key is the clone flag of its namespace", "[plugin][namespaces][S4.1]") {
    const std::map<std::string, std::uint64_t> flags = {
        {"pid", CLONE_NEWPID},  {"mount", CLONE_NEWNS}, {"ipc", CLONE_NEWIPC},
        {"uts", CLONE_NEWUTS},  {"net", CLONE_NEWNET},  {"cgroup", CLONE_NEWCGROUP},
        {"time", CLONE_NEWTIME}};
    for (const auto& [key, flag] : flags) {
        FakeHost host;
        host.keys[key] = true;
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        REQUIRE(host.ops.size() == 1);
        CHECK(host.ops[0].kind == JSV_OP_NAMESPACE);
        CHECK(host.ops[0].stage == JSV_STAGE_NAMESPACES);
        CHECK(host.ops[0].number[0] == flag);
        CHECK(host.ops[0].key == key);
    }
}

TEST_CASE("namespaces: a host name is set only in a namespace of its own", "[plugin][namespaces]") {
    FakeHost host;
    host.keys = {{"uts", true}, {"hostname", "web-1"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.find(JSV_OP_HOSTNAME, "web-1") != nullptr);

    CHECK(refusal({{"hostname", "web"s}}) == "hostname: would rename the host; add uts = true");
    for (const auto& bad : {""s, "-web"s, "a b"s, "wéb"s, std::string(65, 'a')}) {
        CHECK(refusal({{"uts", true}, {"hostname", bad}}).starts_with("hostname: \""));
    }
}

TEST_CASE("namespaces: a user namespace comes with both maps, or a range of its own",
          "[plugin][namespaces]") {
    FakeHost host;
    host.keys = {{"user", true},
                 {"uid_map", Strings{"0 100000 65536", "65536 0 1"}},
                 {"gid_map", Strings{"0 100000 65536"}}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    const auto maps = host.of_kind(JSV_OP_ID_MAP);
    REQUIRE(maps.size() == 1);
    CHECK(maps[0].text[0] == "0 100000 65536\n65536 0 1\n");
    CHECK(maps[0].text[1] == "0 100000 65536\n");

    CHECK(maps[0].flags == 0);
    const auto half = [](const char* key) {
        return refusal({{"user", true}, {key, Strings{"0 1 1"}}});
    };
    CHECK(half("uid_map").starts_with("uid_map: needs gid_map too"));
    CHECK(half("gid_map").starts_with("gid_map: needs uid_map too"));
    host.keys = {{"user", true}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.of_kind(JSV_OP_ID_MAP).size() == 1);
    CHECK(host.of_kind(JSV_OP_ID_MAP)[0].flags == JSV_ID_MAP_OWN);
    CHECK(host.of_kind(JSV_OP_ID_MAP)[0].text[0] == "0 0 65536\n");
    CHECK(refusal({{"gid_map", Strings{"0 1 1"}}}).starts_with("gid_map: maps the ids of nothing"));
}

TEST_CASE("namespaces: a malformed map line is refused with its spelling", "[plugin][namespaces]") {
    for (const auto* line : {"", "0", "0 1", "0 1 0", "0  1 1", "0 1 1 ", "0x0 1 1", "-1 0 1",
                             "0 4294967295 1", "0 1 1\n0 0 1", "00 1 1"}) {
        INFO(line);
        const std::string why =
            refusal({{"user", true}, {"uid_map", Strings{line}}, {"gid_map", Strings{"0 1 1"}}});
        CHECK(why.starts_with("uid_map: \""s + line + "\" is no map"));
    }
}
