// Units held where they are, on every kind of machine, and ended all the same.

#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "ipc/freezing.hpp"
#include "jailer_world.hpp"
#include "own_mounts.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using jailer::cgroup::Tree;

namespace {

constexpr const char* kSleep = "[service]\nexec_start = [\"/bin/sleep\", \"1000\"]\n";

void send(JailerWorld& world, const char* unit, ipc::Token token, int signo) {
    auto message = ipc::make<ipc::Signal>();
    message.token = token;
    message.signo = signo;
    message.whom = ipc::Whom::kAll;
    ipc::set_text(message.unit, unit);
    world.send(message);
    (void)world.count_processes(unit);  // it has been taken
}

/// Frozen, a process does not end by a signal; not frozen, it does.
void run() {
    JailerWorld world;
    world.write_unit("web", kSleep);
    world.write_unit("free", kSleep);
    world.start_jailer();
    world.start(1, "web");
    (void)world.wait_started(1);
    world.start(2, "free");
    (void)world.wait_started(2);
    Tree tree = JailerWorld::groups();
    REQUIRE_FALSE(tree.is_frozen("web"));
    send(world, "web", 1, ipc::kFreeze);
    REQUIRE(tree.is_frozen("web"));
    REQUIRE_FALSE(tree.is_frozen("free"));  // control
    send(world, "web", 1, ipc::kThaw);
    REQUIRE_FALSE(tree.is_frozen("web"));

    // A signal thaws, so that it is taken.
    send(world, "web", 1, ipc::kFreeze);
    send(world, "web", 1, SIGTERM);
    REQUIRE_FALSE(tree.is_frozen("web"));
    (void)world.wait_exit(1);
    world.teardown(1, "web");
    world.wait_torn_down(1);

    // So does its end; and the next run is not frozen, though its group may be the same.
    world.start(3, "web");
    (void)world.wait_started(3);
    send(world, "web", 3, ipc::kFreeze);
    REQUIRE(tree.is_frozen("web"));
    world.teardown(3, "web");
    world.wait_torn_down(3);
    REQUIRE(tree.processes("web").empty());
    world.start(4, "web");
    (void)world.wait_started(4);
    REQUIRE_FALSE(tree.is_frozen("web"));

    // One that an earlier jailer has frozen is known to be.
    send(world, "web", 4, ipc::kFreeze);
    world.kill_jailer();
    world.start_jailer();
    world.teardown(4, "web");
    world.wait_torn_down(4);
    REQUIRE(tree.processes("web").empty());
    world.teardown(2, "free");
    world.wait_torn_down(2);
}

bool can_freeze() {
    if (::geteuid() != 0) {
        WARN("skipped: jails need root");
        return false;
    }
    const Tree tree = JailerWorld::groups();
    if (tree.why_not().empty()) return true;
    WARN("skipped: " << tree.why_not());
    return false;
}

}  // namespace

TEST_CASE("freeze: a unit is held and let go, and whatever ends it thaws it", "[jail][cgroup]") {
    if (!can_freeze()) return;
    SECTION("by whatever the machine has") {
        run();
    }
    const bool hybrid = ::access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0;
    if (!hybrid) {
        WARN("skipped: there is no v2 tree beside v1 here");
        return;
    }
    SECTION("by the freezer of v1") {
        in_own_mounts(hide_v2, run);
    }
    SECTION("by v2 alone") {
        in_own_mounts(show_only_v2, run);
    }
}
