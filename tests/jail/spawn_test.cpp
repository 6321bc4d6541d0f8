#include <catch2/catch.hpp>

#include "jail_fixture.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.hpp"
#include "base/time_slice.hpp"

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

namespace {

/// What the kernel grants a process as one turn [ns]; 0: it will not say.
std::uint64_t slice_of(pid_t pid) {
    std::uint64_t attributes[6]{};  // struct sched_attr, first version: the fourth is the runtime
    return ::syscall(SYS_sched_getattr, pid, attributes, sizeof attributes, 0) == 0 ? attributes[3]
                                                                                    : 0;
}

/// This process asks as ours do; at the end no more.
struct PromptTurns {
    PromptTurns() { jailsvc::ask_for_time_slice(jailsvc::kPromptSliceNs); }
    PromptTurns(const PromptTurns&) = delete;
    PromptTurns& operator=(const PromptTurns&) = delete;
    ~PromptTurns() { jailsvc::ask_for_time_slice(0); }
};

}  // namespace

TEST_CASE("jail: a program gets the machine's time slices, not our short ones", "[jail]") {
    REQUIRE_JAILS();
    const std::uint64_t usual = slice_of(0);
    const PromptTurns prompt;
    if (slice_of(0) != jailsvc::kPromptSliceNs) {
        WARN("skipped: the kernel grants no time slices (Linux 6.12)");
        return;
    }
    Jail jail(default_plan());
    INFO(jail.why());
    REQUIRE(jail.stands());
    Program program;
    program.argv = {"/bin/true"};
    auto parked = jail.park(program);
    REQUIRE(parked);
    CHECK(slice_of(parked->pid) == usual);
    CHECK(slice_of(jail.stub()) == jailsvc::kPromptSliceNs);  // control: it was inherited
    parked->gate = jailsvc::Fd();
    CHECK(await_end(*parked) == 127);
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

namespace {

std::string mounts_of(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/ns/mnt";
    char target[64]{};
    return ::readlink(path.c_str(), target, sizeof target - 1) > 0 ? target : "none";
}

}  // namespace

TEST_CASE("jail: a program cloned before the mounts stand waits outside until it is let in",
          "[jail][S4.9]") {
    REQUIRE_JAILS();
    const auto plan = CompiledPlan::make(default_plan());
    REQUIRE(plan);
    auto stub = spawn_stub(spawn_context(), *plan, {});
    REQUIRE(stub);
    Program program;
    program.argv = {"/bin/true"};
    program.waits = true;
    auto parked = spawn_program(spawn_context(), *plan, {}, stub->pidfd.get(), program);
    REQUIRE(parked);
    REQUIRE(await_report(*plan, *stub).kind == Report::Kind::kReady);
    CHECK(mounts_of(parked->pid) == mounts_of(::getpid()));
    CHECK_FALSE(read_report(*plan, *parked));

    SECTION("then it goes in") {
        REQUIRE(let_in(*parked));
        const Report ready = await_report(*plan, *parked);
        REQUIRE(ready.kind == Report::Kind::kReady);
        CHECK(mounts_of(parked->pid) == mounts_of(stub->pid));
        CHECK(attest_program(*plan, {}, stub->pid, parked->pid, {}, ready.evidence));
        REQUIRE(open_gate(*parked));
        CHECK(await_end(*parked) == 0);
    }
    SECTION("without its jailer it ends") {
        parked->gate = jailsvc::Fd();
        CHECK(await_end(*parked) == 127);
    }
    (void)jailsvc::sys::pidfd_signal(stub->pidfd.get(), SIGKILL);
    (void)await_end(*stub);
}
