#include <catch2/catch.hpp>

#include "cpu.hpp"
#include "devices.hpp"
#include "io.hpp"
#include "planned.hpp"

using jailsvc::test::FakeHost;
using jailsvc::test::refusal;
using namespace jailsvc::cgroups;
using namespace std::string_literals;

namespace {

struct Row {
    const char* key;
    FakeHost::Value value;
    const char* file;
    const char* content;
};

}  // namespace

TEST_CASE("cgroups: absent keys ask for nothing but a list of the jail's own devices",
          "[plugin][cgroups]") {
    FakeHost host;
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 1);
    CHECK(host.ops[0].kind == JSV_OP_DEVICES);
    CHECK(host.ops[0].flags == JSV_DEVICES_DEFAULT);
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
        {"io_max", FakeHost::Map{{"8:0", "rbps=1K wiops=5"}}, "io.max",
         "8:0 rbps=1024 wbps=max riops=max wiops=5"},
        {"io_max", FakeHost::Map{{"8:0", "max"}}, "io.max",
         "8:0 rbps=max wbps=max riops=max wiops=max"},
        {"io_max", FakeHost::Map{{"8:0", "rbps=max riops=7"}}, "io.max",
         "8:0 rbps=max wbps=max riops=7 wiops=max"},
    };
    for (const Row& row : rows) {
        INFO(row.key);
        FakeHost host;
        host.keys[row.key] = row.value;
        host.keys["devices"] = FakeHost::Strings{"all"};
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
                 {"oom_group", false},
                 {"devices", FakeHost::Strings{"all"}}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("cgroups: a trigger of pressure is the kernel's, with what is done then",
          "[plugin][cgroups]") {
    FakeHost host;
    host.keys = {{"memory_pressure", "some 150ms 2s"s},
                 {"on_memory_pressure", "signal:USR1"s},
                 {"cpu_pressure", "full 1s 10s"s},
                 {"devices", FakeHost::Strings{"all"}}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 2);
    CHECK(host.ops[0].kind == JSV_OP_PRESSURE);
    CHECK(host.ops[0].text[0] == "memory.pressure");
    CHECK(host.ops[0].text[1] == "some 150000 2000000");
    CHECK(host.ops[0].number[0] == JSV_PRESSURE_SIGNAL);
    CHECK(host.ops[0].number[1] == 10);
    CHECK(host.ops[1].text[1] == "full 1000000 10000000");
    CHECK(host.ops[1].number[0] == JSV_PRESSURE_LOG);
    for (const auto& bad : {""s, "some"s, "some 1s"s, "any 1s 2s"s, "some 0s 2s"s, "some 3s 2s"s,
                            "some 1ms 400ms"s, "some 1s 11s"s, "some 1s 2s 3s"s, "some 1 2"s}) {
        INFO(bad);
        CHECK(refusal({{"io_pressure", bad}}).find("is no trigger; write") != std::string::npos);
    }
    for (const auto& bad : {""s, "kill"s, "signal"s, "signal:"s, "signal:FOO"s}) {
        CHECK(refusal({{"io_pressure", "some 1s 2s"s}, {"on_io_pressure", bad}})
                  .find("use \"log\", \"restart\"") != std::string::npos);
    }
    CHECK(refusal({{"on_io_pressure", "log"s}}).find("set one too") != std::string::npos);
}

TEST_CASE("cgroups: devices are named by path or kind, with an access", "[plugin][cgroups]") {
    const auto number = [](const char* text) {
        const auto found = read_device(text,
                                       "Character devices:\n  1 mem\n 10 misc\n\nBlock "
                                       "devices:\n  8 sd\n 65 sd\n");
        if (!found) return found.error();
        std::string all;
        for (const auto& one : *found) all += one.number + " " + one.access + ";";
        return all;
    };
    CHECK(number("/dev/null") == "c 1:3 rwm;");
    CHECK(number("/dev/null r") == "c 1:3 r;");
    CHECK(number("char-misc rw") == "c 10:* rw;");
    CHECK(number("block-sd") == "b 8:* rwm;b 65:* rwm;");
    for (const char* bad : {"char-sd", "block-misc rw", "char-"}) {
        CHECK(std::string(number(bad)).find("/proc/devices lists them") != std::string::npos);
    }
    CHECK(number("/dev/null x").find("the access is made of") != std::string::npos);
    CHECK(number("/dev/null rr").find("the access is made of") != std::string::npos);
    CHECK(number("/dev").find("is no device") != std::string::npos);
    CHECK(number("/no/such").find("No such file") != std::string::npos);
    CHECK(number("null").find("names no device") != std::string::npos);

    FakeHost host;
    host.keys["devices"] = FakeHost::Strings{"/dev/null r"};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 2);
    CHECK(host.ops[0].text[0].empty());  // nothing else
    CHECK(host.ops[0].flags == 0);
    CHECK(host.ops[1].text[0] == "c 1:3");
    host.keys["devices"] = FakeHost::Strings{};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.size() == 1);
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
    for (const auto& bad : {""s, "rbps"s, "rbps=0"s, "rbps=-1"s, "rbps=maximum"s, "max=1"s,
                            "speed=5"s, "rbps=1\nx=2"s}) {
        CHECK(refusal({{"io_max", FakeHost::Map{{"8:0", bad}}}}).starts_with("io_max.8:0: \""));
    }
    CHECK(
        refusal({{"io_max", FakeHost::Map{{"/dev/null", "rbps=1"}}}}).find("is no block device") !=
        std::string::npos);
    CHECK(refusal({{"io_max", FakeHost::Map{{"/no/such", "rbps=1"}}}}).find("No such file") !=
          std::string::npos);
}
