#include <catch2/catch.hpp>

#include "jailer/cgroup/limits.hpp"

using namespace jailsvc::jailer::cgroup;

namespace {

const std::vector<Controller> kV1{{"memory", Version::kV1},
                                  {"cpu", Version::kV1},
                                  {"cpuset", Version::kV1},
                                  {"pids", Version::kV1},
                                  {"blkio", Version::kV1}};
const std::vector<Controller> kV2{{"memory", Version::kV2},
                                  {"cpu", Version::kV2},
                                  {"cpuset", Version::kV2},
                                  {"pids", Version::kV2},
                                  {"io", Version::kV2}};

struct Row {
    Limit limit;
    std::vector<Write> older;
};

const Row kRows[] = {
    {{0, "memory.max", "1048576"}, {{0, "memory", "memory.limit_in_bytes", "1048576"}}},
    {{0, "memory.max", "max"}, {{0, "memory", "memory.limit_in_bytes", "-1"}}},
    {{0, "cpu.max", "50000 100000"},
     {{0, "cpu", "cpu.cfs_period_us", "100000"}, {0, "cpu", "cpu.cfs_quota_us", "50000"}}},
    {{0, "cpu.max", "max 100000"},
     {{0, "cpu", "cpu.cfs_period_us", "100000"}, {0, "cpu", "cpu.cfs_quota_us", "-1"}}},
    {{0, "cpu.weight", "100"}, {{0, "cpu", "cpu.shares", "1024"}}},
    {{0, "cpu.weight", "1"}, {{0, "cpu", "cpu.shares", "10"}}},
    {{0, "cpuset.cpus", "0-1"}, {{0, "cpuset", "cpuset.cpus", "0-1"}}},
    {{0, "pids.max", "64"}, {{0, "pids", "pids.max", "64"}}},
    {{0, "io.weight", "10000"}, {{0, "blkio", "blkio.bfq.weight", "1000"}}},
    {{0, "io.weight", "50"}, {{0, "blkio", "blkio.bfq.weight", "50"}}},
    {{0, "io.max", "8:0 rbps=1024 wiops=max"},
     {{0, "blkio", "blkio.throttle.read_bps_device", "8:0 1024"},
      {0, "blkio", "blkio.throttle.write_iops_device", "8:0 0"}}},
};

Translation one(const Limit& limit, const std::vector<Controller>& controllers) {
    return translate(std::span(&limit, 1), controllers);
}

}  // namespace

TEST_CASE("cgroup: every limit has its file on v1 and on v2", "[cgroup][S4.9]") {
    for (const Row& row : kRows) {
        INFO(row.limit.file << " " << row.limit.value);
        const Translation newer = one(row.limit, kV2);
        CHECK(newer.refused.empty());
        const std::string controller(controller_of(row.limit.file));
        CHECK(newer.writes == std::vector<Write>{{0, controller, row.limit.file, row.limit.value}});
        const Translation older = one(row.limit, kV1);
        CHECK(older.refused.empty());
        CHECK(older.writes == row.older);
        // Neither: refused, with the controller's name.
        const Translation none = one(row.limit, {});
        CHECK(none.writes.empty());
        REQUIRE(none.refused.size() == 1);
        CHECK(none.refused[0].why.find(controller) != std::string::npos);
    }
}

TEST_CASE("cgroup: each controller is taken where it is, on a hybrid machine", "[cgroup]") {
    const std::vector<Controller> hybrid{{"memory", Version::kV1}, {"pids", Version::kV2}};
    const std::vector<Limit> limits{{3, "memory.max", "4096"}, {4, "pids.max", "9"}};
    const Translation both = translate(limits, hybrid);
    CHECK(both.writes == std::vector<Write>{{3, "memory", "memory.limit_in_bytes", "4096"},
                                            {4, "pids", "pids.max", "9"}});
}

TEST_CASE("cgroup: swap on v1 is a sum with the memory, written after it", "[cgroup]") {
    const std::vector<Limit> limits{{0, "memory.swap.max", "1024"}, {1, "memory.max", "4096"}};
    const Translation sum = translate(limits, kV1);
    REQUIRE(sum.writes.size() == 2);
    CHECK(sum.writes[0].file == "memory.limit_in_bytes");
    CHECK(sum.writes[1] == Write{0, "memory", "memory.memsw.limit_in_bytes", "5120"});
    const Translation alone = translate(std::span(limits.data(), 1), kV1);
    REQUIRE(alone.refused.size() == 1);
    CHECK(alone.refused[0].why.find("set memory_max too") != std::string::npos);
    CHECK(translate(std::span(limits.data(), 1), kV2).writes.size() == 1);
}

TEST_CASE("cgroup: what v1 cannot do is refused, or done by the supervisor", "[cgroup]") {
    const Translation high = one({7, "memory.high", "4096"}, kV1);
    REQUIRE(high.refused.size() == 1);
    CHECK(high.refused[0].op == 7);
    CHECK(high.refused[0].why.find("cgroup v2 only") != std::string::npos);
    CHECK(one({0, "memory.oom.group", "1"}, kV1).end_all_on_oom);
    CHECK_FALSE(one({0, "memory.oom.group", "1"}, kV2).end_all_on_oom);
    CHECK_FALSE(one({0, "memory.oom.group", "0"}, kV1).end_all_on_oom);
}

TEST_CASE("cgroup: read back, a limit says what was written, in the kernel's words", "[cgroup]") {
    constexpr std::uint64_t kPage = 4096;
    const auto says = [](const char* controller, const char* file, const char* value,
                         const char* seen) {
        return holds({0, controller, file, value}, seen, kPage);
    };
    CHECK(says("memory", "memory.max", "8192", "8192\n"));
    CHECK(says("memory", "memory.max", "8193", "8192\n"));  // whole pages
    CHECK_FALSE(says("memory", "memory.max", "8192", "12288\n"));
    CHECK_FALSE(says("memory", "memory.max", "8192", "max\n"));
    CHECK(says("memory", "memory.limit_in_bytes", "-1", "9223372036854771712\n"));
    CHECK_FALSE(says("memory", "memory.limit_in_bytes", "-1", "8192\n"));
    CHECK(says("pids", "pids.max", "5", "5\n"));
    CHECK_FALSE(says("pids", "pids.max", "5", "max\n"));
    CHECK(says("cpu", "cpu.max", "50000 100000", "50000 100000\n"));
    CHECK(says("cpuset", "cpuset.cpus", "0,1,2", "0-2\n"));
    CHECK_FALSE(says("cpuset", "cpuset.cpus", "0", "0-1\n"));
    CHECK(says("io", "io.max", "8:0 rbps=10", "8:16 rbps=9\n8:0 rbps=10 wbps=max\n"));
    CHECK_FALSE(says("io", "io.max", "8:0 rbps=10", "8:0 rbps=11 wbps=max\n"));
    CHECK_FALSE(says("io", "io.max", "8:0 rbps=10", "\n"));
    CHECK(says("io", "io.max", "8:0 rbps=max", "\n"));
    CHECK(says("blkio", "blkio.throttle.read_bps_device", "8:0 10", "8:0 10\n"));
    CHECK_FALSE(says("blkio", "blkio.throttle.read_bps_device", "8:0 10", ""));
    CHECK(says("io", "io.weight", "50", "default 50\n"));
    CHECK_FALSE(says("io", "io.weight", "50", "default 100\n"));
}

TEST_CASE("cgroup: what is no limit any more is lifted", "[cgroup]") {
    const std::vector<Limit> before{{0, "memory.max", "4096"},
                                    {1, "pids.max", "9"},
                                    {2, "cpu.max", "50000 100000"},
                                    {3, "io.max", "8:0 rbps=10"},
                                    {4, "io.max", "8:16 rbps=10"}};
    const std::vector<Limit> after{{0, "memory.max", "8192"}, {1, "io.max", "8:16 rbps=20"}};
    const auto lifts = lifted(before, after);
    REQUIRE(lifts.size() == 3);
    CHECK(lifts[0].file == "pids.max");
    CHECK(lifts[0].value == "max");
    CHECK(lifts[1].value == "max 100000");
    CHECK(lifts[2].value == "8:0 rbps=max wbps=max riops=max wiops=max");
    CHECK(lifted(after, after).empty());
    // Each of them has a file on either version.
    for (const auto* controllers : {&kV1, &kV2}) {
        CHECK(translate(lifts, *controllers).refused.empty());
    }
}

TEST_CASE("cgroup: swap's limit is lifted on v1 with the memory's", "[cgroup]") {
    const std::vector<Limit> before{{0, "memory.max", "4096"}, {1, "memory.swap.max", "0"}};
    const auto lifts = lifted(before, {});
    const Translation older = translate(lifts, kV1);
    CHECK(older.refused.empty());
    CHECK(older.writes == std::vector<Write>{{0, "memory", "memory.limit_in_bytes", "-1"},
                                             {1, "memory", "memory.memsw.limit_in_bytes", "-1"}});
}
