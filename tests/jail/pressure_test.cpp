#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>

#include "jailer/cgroup/pressure.hpp"
#include "jailer_world.hpp"
#include "own_mounts.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

// More processes than there are processors, for as long as it runs.
constexpr const char* kBusy = R"([service]
exec_start = ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait"]
)";
constexpr const char* kIdle = "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n";

std::string cpu_trigger(const std::string& action) {
    return "[jail.cgroups]\ncpu_pressure = \"some 50ms 2s\"\non_cpu_pressure = \"" + action +
           "\"\n";
}

bool can_tell_pressure() {
    if (::geteuid() != 0) {
        WARN("skipped: jails need root");
        return false;
    }
    jailer::cgroup::Tree tree = JailerWorld::groups();
    const auto place = tree.place_of("");
    const std::string above = place.directory.substr(0, place.directory.rfind('/'));
    if (place.version == jailer::cgroup::Version::kV2 &&
        ::access((above + "/cpu.pressure").c_str(), W_OK) == 0) {
        return true;
    }
    WARN("skipped: groups tell no pressure here");
    return false;
}

std::ptrdiff_t told_of(const JailerWorld& world, const std::string& unit) {
    return std::ranges::count_if(world.pressures, [&](const ipc::Pressure& pressure) {
        return ipc::get_text(pressure.unit) == unit;
    });
}

}  // namespace

TEST_CASE("pressure: a unit that waits longer than its trigger allows is told of, and no other",
          "[jail][cgroup][S4.9]") {
    if (!can_tell_pressure()) return;
    JailerWorld world;
    world.write_unit("busy", kBusy + cpu_trigger("signal:USR1"));
    world.write_unit("idle", kIdle + cpu_trigger("restart"));
    world.write_unit("quiet", kBusy);
    world.start_jailer();
    world.start(1, "idle");
    (void)world.wait_started(1);
    world.start(2, "quiet");
    (void)world.wait_started(2);
    world.start(3, "busy");
    (void)world.wait_started(3);
    const auto told = [&] { return told_of(world, "busy") > 0; };
    world.wait_until(told, "pressure of busy");
    const ipc::Pressure& first = world.pressures.front();
    CHECK(first.resource == ipc::Resource::kCpu);
    CHECK(first.action == ipc::OnPressure::kSignal);
    CHECK(first.signo == SIGUSR1);
    // Controls: one that waits for nothing, and one without a trigger that waits as much.
    CHECK(told_of(world, "idle") == 0);
    CHECK(told_of(world, "quiet") == 0);
    SECTION("also by the next jailer") {
        world.kill_jailer();
        world.pressures.clear();
        world.start_jailer();
        world.wait_until(told, "pressure of busy again");
    }
}

TEST_CASE("pressure: where groups cannot tell it a unit with a trigger does not run",
          "[jail][cgroup][S2.10]") {
    if (!can_tell_pressure()) return;
    if (::access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) != 0) {
        WARN("skipped: there is no v1 to be alone here");
        return;
    }
    in_own_mounts(hide_v2, [] {
        JailerWorld world;
        world.write_unit("strict", kIdle + cpu_trigger("stop"));
        world.write_unit("easy", kIdle + cpu_trigger("stop") +
                                     "[jail]\noptional = [\"cgroups.cpu_pressure\"]\n");
        world.start_jailer();
        world.start(1, "strict");
        const auto failure = world.wait_failed(1);
        REQUIRE(ipc::get_text(failure.text).find("cgroup v2 only") != std::string_view::npos);
        REQUIRE(ipc::get_text(failure.operation) == "pressure");
        world.start(2, "easy");
        REQUIRE(world.wait_started(2).weakened == 1);
    });
}
