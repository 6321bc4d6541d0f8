#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "jailer/jail/id_map.hpp"
#include "jailer/jail/mount_table.hpp"
#include "jailer/jail/process_facts.hpp"

using namespace jailsvc::jailer;

TEST_CASE("mountinfo: fields, escapes and propagation are read", "[jailer]") {
    const auto table = MountTable::parse(
        "64 42 254:0 / / ro,nosuid,relatime - ext4 /dev/vda rw,discard\n"
        "85 64 0:41 /a\\040b /tmp\\040x rw,nodev shared:3 master:1 - tmpfs jailsvc rw,size=16k\n");
    REQUIRE(table);
    REQUIRE(table->entries().size() == 2);
    const MountEntry* root = table->find(64);
    REQUIRE(root != nullptr);
    CHECK(root->read_only());
    CHECK_FALSE(root->propagates);
    const MountEntry* other = table->find(85);
    REQUIRE(other != nullptr);
    CHECK(other->parent == 64);
    CHECK(other->root == "/a b");
    CHECK(other->point == "/tmp x");
    CHECK(other->propagates);
    CHECK_FALSE(other->read_only());
    CHECK(MountEntry::option_value(other->super_options, "size") == "16k");
    CHECK(table->find(1) == nullptr);
}

TEST_CASE("mountinfo: a line that ends early is an error", "[jailer]") {
    CHECK_FALSE(MountTable::parse("64 42 254:0 / / ro\n"));
    CHECK_FALSE(MountTable::parse("x 42 254:0 / / ro - ext4 a b\n"));
    CHECK(MountTable::parse("")->entries().empty());
}

TEST_CASE("id maps: inside ids are found in their range only", "[jailer]") {
    constexpr const char* kMap = "0 100000 10\n10   5 1\n";
    CHECK(map_to_host(kMap, 0) == 100000U);
    CHECK(map_to_host(kMap, 9) == 100009U);
    CHECK(map_to_host(kMap, 10) == 5U);
    CHECK_FALSE(map_to_host(kMap, 11).has_value());
    CHECK(normal_map("         0     100000         10\n") == "0 100000 10\n");
}

TEST_CASE("status: what attest needs is read, and its absence is an error", "[jailer]") {
    const std::string text =
        "Name:\tx\nUmask:\t0027\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t20 10 \n"
        "CapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000000400\n"
        "CapBnd:\t0000000000000001\nCapAmb:\t0000000000000002\nNoNewPrivs:\t1\n"
        "SigBlk:\t0000000000000100\nSigIgn:\t0000000000001000\n";
    const auto facts = parse_status(text);
    REQUIRE(facts);
    CHECK(facts->uids == std::array<std::uint32_t, 4>{1, 2, 3, 4});
    CHECK(facts->groups == std::vector<std::uint32_t>{10, 20});
    CHECK(facts->permitted == 0x1ffffffffffULL);
    CHECK(facts->blocked_signals == 0x100);
    CHECK(facts->ignored_signals == 0x1000);
    CHECK(facts->umask == 027);
    CHECK(facts->no_new_privs);
    CHECK_FALSE(parse_status("Uid:\t1\t2\t3\t4\n"));
    CHECK_FALSE(parse_status(""));
}

TEST_CASE("limits: a limit is found by its number", "[jailer]") {
    constexpr const char* kText =
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max open files            512                  1024                 files     \n"
        "Max core file size        0                    unlimited            bytes     \n";
    CHECK(parse_limit(kText, RLIMIT_NOFILE) == LimitPair{512, 1024});
    CHECK(parse_limit(kText, RLIMIT_CORE) == LimitPair{0, RLIM_INFINITY});
    CHECK_FALSE(parse_limit(kText, RLIMIT_AS));
    CHECK_FALSE(parse_limit(kText, 99));
}
