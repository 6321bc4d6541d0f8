#include <catch2/catch.hpp>

#include "jail_fixture.hpp"

#include <sys/stat.h>
#include <unistd.h>

using namespace jailsvc::jailer;
using namespace jailsvc::jailer::test;

TEST_CASE("jail: a program runs in the default jail", "[jail]") {
    REQUIRE_JAILS();
    Jail jail(default_plan());
    INFO(jail.why());
    REQUIRE(jail.stands());
    const Ran ran = jail.shell("id -u; hostname; cat /run/jailed; ls -A /home");
    CHECK(ran.output == "64123\nprobe\nprobe\n");
    CHECK(ran.status == 0);
}

TEST_CASE("jail: a program that cannot be executed is reported with its errno", "[jail]") {
    REQUIRE_JAILS();
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    const Ran ran = jail.run({"/no/such/program"});
    CHECK(ran.output == "probe: executing the program: No such file or directory");
    CHECK(ran.status == 127);
}

TEST_CASE("jail: closing the gate ends a parked program that has not run", "[jail][S4.9]") {
    REQUIRE_JAILS();
    const TempDirectory shared;
    Plan plan = default_plan();
    plan.ops.insert(
        plan.ops.end() - 6,
        make_op(JSV_OP_BIND, {.flags = JSV_MOUNT_CREATE, .text = {shared.path(), "/run/shared"}}));
    Jail jail(std::move(plan));
    INFO(jail.why());
    REQUIRE(jail.stands());
    REQUIRE(::chmod(shared.path().c_str(), 0777) == 0);
    Program program;
    program.argv = {"/bin/sh", "-c", "echo ran > /run/shared/mark"};
    auto parked = jail.park(program);
    REQUIRE(parked);
    parked->gate = jailsvc::Fd();
    CHECK(await_end(*parked) == 127);
    CHECK(::access((shared.path() + "/mark").c_str(), F_OK) == -1);

    SECTION("control: with the gate opened it runs") {
        CHECK(jail.run(program).status == 0);
        CHECK(::access((shared.path() + "/mark").c_str(), F_OK) == 0);
    }
}
