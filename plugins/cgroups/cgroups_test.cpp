#include <catch2/catch.hpp>

#include "cpu.hpp"
#include "fake_host.hpp"
#include "io.hpp"

using jailsvc::test::FakeHost;
using namespace jailsvc::cgroups;
using namespace std::string_literals;

namespace {

std::string refusal(std::map<std::string, FakeHost::Value> keys) {
    FakeHost host;
    host.keys = std::move(keys);
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    return host.failed_key + ": " + host.failure;
}

struct Row {
    const char* key;
    FakeHost::Value value;
    const char* file;
    const char* content;
};

}  // namespace

TEST_CASE("cgroups: absent keys ask for nothing", "[plugin][cgroups]") {
    FakeHost host;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("cgroups: each key is one file of cgroup v2", "[plugin][cgroups][S4.9]") {
    const Row rows[] = {
        {"memory_max", std::uint64_t{67108864}, "memory.max", "67108864"},
        {"memory_high", std::uint64_t{4096}, "memory.high", "4096"},
        {"memory_swap_max", std::uint64_t{0}, "memory.swap.max", "0"},
        {"oom_group", true, "memory.oom.group", "1"},
        {"cpu_quota", "50%"s, "cpu.max", "50000 100000"},
        {"cpu_weight", std::int64_t{200}, "cpu.weight", "200"},
        {"cpus", "1,0,3"s, "cpuset.cpus", "0-1,3"},
        {"tasks_max", std::int64_t{64}, "pids.max", "64"},
        {"io_weight", std::int64_t{10}, "io.weight", "10"},
        {"io_max", FakeHost::Map{{"8:0", "rbps=1K wiops=5"}}, "io.max", "8:0 rbps=1024 wiops=5"},
    };
    for (const Row& row : rows) {
        INFO(row.key);
        FakeHost host;
        host.keys[row.key] = row.value;
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        REQUIRE(host.ops.size() == 1);
        CHECK(host.ops[0].kind == JSV_OP_CGROUP);
        CHECK(host.ops[0].stage == JSV_STAGE_PARENT);
        CHECK(host.ops[0].text[0] == row.file);
        CHECK(host.ops[0].text[1] == row.content);
        CHECK(host.ops[0].key == row.key);
    }
}

TEST_CASE("cgroups: no limit can be said over a profile's", "[plugin][cgroups]") {
    FakeHost host;
    host.keys = {{"memory_max", std::uint64_t{0}},
                 {"memory_high", std::uint64_t{0}},
                 {"tasks_max", std::int64_t{0}},
                 {"oom_group", false}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("cgroups: a value that means nothing is refused with the cure", "[plugin][cgroups]") {
    for (const auto& bad : {""s, "50"s, "0%"s, "-5%"s, "1.5%"s, "%"s, "9999999%"s}) {
        CHECK(refusal({{"cpu_quota", bad}}).ends_with("or \"200%\" for two processors"));
    }
    for (const auto& bad : {""s, "a"s, "1-"s, "3-1"s, "0,,1"s, "0-99999"s, "0 1"s}) {
        CHECK(refusal({{"cpus", bad}}).ends_with("write numbers and ranges, \"0-3,6\""));
    }
    for (const std::int64_t bad : {0, -1, 10001}) {
        CHECK(refusal({{"cpu_weight", bad}}).ends_with("use 1 to 10000"));
        CHECK(refusal({{"io_weight", bad}}).ends_with("use 1 to 10000"));
    }
    for (const std::int64_t bad : {-1, 1}) {
        CHECK(refusal({{"tasks_max", bad}}).ends_with("or 0 for no limit"));
    }
    for (const auto& bad : {""s, "rbps"s, "rbps=0"s, "rbps=-1"s, "speed=5"s, "rbps=1\nx=2"s}) {
        CHECK(refusal({{"io_max", FakeHost::Map{{"8:0", bad}}}}).starts_with("io_max: \""));
    }
    CHECK(
        refusal({{"io_max", FakeHost::Map{{"/dev/null", "rbps=1"}}}}).find("is no block device") !=
        std::string::npos);
    CHECK(refusal({{"io_max", FakeHost::Map{{"/no/such", "rbps=1"}}}}).find("No such file") !=
          std::string::npos);
}
