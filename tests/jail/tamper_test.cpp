#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>

#include <algorithm>

#include <catch2/catch.hpp>

#include "jail_fixture.hpp"
#include "jailed.hpp"
#include "jailer/child/landlock_rights.hpp"

using namespace jailsvc::jailer;
using namespace jailsvc::jailer::test;

namespace {

CompiledPlan compile(Plan plan) {
    auto compiled = CompiledPlan::make(std::move(plan));
    REQUIRE(compiled);
    return std::move(*compiled);
}

/// The whole plan but for one operation.
Plan without(const Plan& plan, std::size_t index) {
    Plan less = plan;
    less.ops.erase(less.ops.begin() + static_cast<std::ptrdiff_t>(index));
    return less;
}

void add_landlock(Plan& plan) {
    plan.ops.push_back(
        make_op(JSV_OP_LANDLOCK, {.number = {landlock::kAllFs & ~landlock::kExecute, landlock::kTcp,
                                             landlock::kScopeAbstractSockets}}));
    plan.ops.push_back(
        make_op(JSV_OP_LANDLOCK_PATH, {.number = {landlock::kReadFile}, .text = {"/usr"}}));
    plan.ops.push_back(make_op(JSV_OP_LANDLOCK_PORT, {.number = {80, landlock::kConnectTcp}}));
}

/// The default plan and one of everything else that a jail can have.
Plan rich_plan(const TempDirectory& shared) {
    Plan plan = default_plan();
    const auto after_file = std::ranges::find(plan.ops, JSV_OP_FILE, &Op::kind);
    plan.ops.insert(after_file,
                    {make_op(JSV_OP_BIND, {.flags = JSV_MOUNT_CREATE | JSV_MOUNT_READ_ONLY,
                                           .text = {shared.path(), "/run/shared"}}),
                     make_op(JSV_OP_DEVICE, {.text = {"/dev/kmsg"}})});
    const auto proc = std::ranges::find(plan.ops, JSV_OP_PROC, &Op::kind);
    plan.ops.insert(proc, make_op(JSV_OP_SYSFS, {.flags = JSV_MOUNT_READ_ONLY, .text = {"/sys"}}));
    const auto mask = std::ranges::find(plan.ops, JSV_OP_MASK, &Op::kind);
    plan.ops.insert(mask, {make_op(JSV_OP_CREDENTIALS, {.text = {"/run/credentials/probe"}}),
                           make_op(JSV_OP_CREDENTIAL, {.text = {"db", "/etc/db"}}),
                           make_op(JSV_OP_CREDENTIAL, {.text = {"api", "/etc/api"}})});
    plan.ops.insert(plan.ops.begin(), make_op(JSV_OP_NETWORK, {.number = {JSV_NET_LOOPBACK}}));
    const auto limit = std::ranges::find(plan.ops, JSV_OP_RLIMIT, &Op::kind);
    plan.ops.insert(limit, {make_op(JSV_OP_NICE, {.number = {5}}),
                            make_op(JSV_OP_OOM_SCORE, {.number = {300}})});
    if (jailsvc::test::has_landlock(6)) add_landlock(plan);
    plan.ops.insert(plan.ops.begin(),
                    {make_op(JSV_OP_CGROUP, {.text = {"pids.max", "64"}}),
                     make_op(JSV_OP_PRESSURE, {.text = {"cpu.pressure", "some 150000 2000000"}}),
                     make_op(JSV_OP_DEVICES, {.text = {"c 10:229", "rw"}})});
    const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    plan.ops.push_back(
        make_op(JSV_OP_SECCOMP,
                {.flags = JSV_SECCOMP_EXEC_ONCE,
                 .text = {"all", "none"},
                 .blob = std::string(reinterpret_cast<const char*>(&allow), sizeof allow)}));
    return plan;
}

/// Operations that nothing outside shows: the child reads them back itself, or they are implied.
bool is_seen_inside_only(const Op& op) {
    return op.kind == JSV_OP_HOSTNAME || op.kind == JSV_OP_SESSION;
}

/// What must go with an operation for the rest still to be a plan that makes sense.
bool stands_alone(const Plan& plan, std::size_t index) {
    return static_cast<bool>(CompiledPlan::make(without(plan, index)));
}

struct Verdict {
    bool held = true;
    std::uint32_t op = 0;
    std::string text;
};

/// Builds a jail and parks a program by `applied`, then attests both by `wanted`.
Verdict verdict_on(Plan applied, const CompiledPlan& wanted) {
    Jail jail(std::move(applied));
    if (!jail.stands()) return {false, ~0U, jail.why()};
    const auto jail_holds = attest_jail(spawn_context(), wanted, {}, jail.stub());
    if (!jail_holds) {
        return {false, jail_holds.error().op, describe(wanted.plan(), jail_holds.error())};
    }
    const auto limits_hold = jail.groups().attest("probe", wanted, jail.stub());
    if (!limits_hold) {
        return {false, limits_hold.error().op, describe(wanted.plan(), limits_hold.error())};
    }
    Program program;
    program.argv = {"/bin/true"};
    program.new_session = false;
    auto parked = jail.park(program);
    if (!parked) return {false, ~0U, describe(wanted.plan(), parked.error())};
    const auto program_holds =
        attest_program(wanted, {}, jail.stub(), parked->pid, {}, jail.evidence());
    (void)jailsvc::jailer::open_gate(*parked);
    (void)await_end(*parked);
    if (program_holds) return {};
    return {false, program_holds.error().op, describe(wanted.plan(), program_holds.error())};
}

}  // namespace

TEST_CASE("attest: an operation that was not applied is refused by name", "[jail][S2.10]") {
    REQUIRE_JAILS();
    const TempDirectory shared;
    const Plan plan = rich_plan(shared);
    const CompiledPlan wanted = compile(plan);
    {
        const Verdict whole = verdict_on(plan, wanted);
        INFO(whole.text);
        REQUIRE(whole.held);  // control: with everything applied both attests hold
    }
    for (std::size_t index = 0; index < plan.ops.size(); ++index) {
        const Op& op = plan.ops[index];
        if (is_seen_inside_only(op) || !stands_alone(plan, index)) continue;
        if ((op.flags & JSV_MOUNT_OPTIONAL) != 0 && ::access(op.text[0].c_str(), F_OK) != 0)
            continue;
        const Verdict verdict = verdict_on(without(plan, index), wanted);
        INFO(to_line(op) << " left out; said: " << verdict.text);
        CHECK_FALSE(verdict.held);
        CHECK(verdict.text.find("probe: ") == 0);
        const bool named = verdict.op == index || verdict.op >= plan.ops.size() ||
                           op.kind == JSV_OP_TMPFS || op.kind == JSV_OP_PROC ||
                           op.kind == JSV_OP_LANDLOCK_PATH || op.kind == JSV_OP_LANDLOCK_PORT;
        CHECK(named);
    }
}

TEST_CASE("attest: values other than the plan's are refused", "[jail][S2.10]") {
    REQUIRE_JAILS();
    const Plan plan = default_plan();
    const CompiledPlan wanted = compile(plan);
    const auto changed = [&](jsv_kind kind, auto change) {
        Plan other = plan;
        const auto op = std::ranges::find(other.ops, kind, &Op::kind);
        REQUIRE(op != other.ops.end());
        change(*op);
        const auto index = static_cast<std::uint32_t>(op - other.ops.begin());
        const Verdict verdict = verdict_on(std::move(other), wanted);
        INFO(verdict.text);
        CHECK_FALSE(verdict.held);
        CHECK(verdict.op == index);
    };
    SECTION("a writable root") {
        changed(JSV_OP_ROOT, [](Op& op) { op.flags &= ~JSV_MOUNT_READ_ONLY; });
    }
    SECTION("a larger tmpfs") {
        changed(JSV_OP_TMPFS, [](Op& op) { op.number[0] *= 2; });
    }
    SECTION("all processes shown") {
        changed(JSV_OP_PROC, [](Op& op) { op.number[0] = 0; });
    }
    SECTION("a file that says something else") {
        changed(JSV_OP_FILE, [](Op& op) { op.text[1] = "other\n"; });
    }
    SECTION("a higher limit") {
        changed(JSV_OP_RLIMIT, [](Op& op) { op.number[2] = 2048; });
    }
    SECTION("another user") {
        changed(JSV_OP_IDS, [](Op& op) { op.number[0] = 64124; });
    }
    SECTION("a capability") {
        changed(JSV_OP_CAPABILITIES, [](Op& op) { op.number = {1, 1, 0}; });
    }
    SECTION("programs that may execute again") {
        const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        Plan once = plan;
        once.ops.push_back(
            make_op(JSV_OP_SECCOMP,
                    {.flags = JSV_SECCOMP_EXEC_ONCE,
                     .blob = std::string(reinterpret_cast<const char*>(&allow), sizeof allow)}));
        Plan often = once;
        often.ops.back().flags = 0;
        CHECK(verdict_on(once, compile(once)).held);  // control
        const Verdict verdict = verdict_on(often, compile(once));
        CHECK_FALSE(verdict.held);
        CHECK(verdict.op == once.ops.size() - 1);
    }
    SECTION("another umask") {
        changed(JSV_OP_UMASK, [](Op& op) { op.number[0] = 022; });
    }
}

TEST_CASE("attest: a program that would ignore a signal is refused", "[jail]") {
    REQUIRE_JAILS();
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    Program program;
    program.argv = {"/bin/true"};
    REQUIRE(::signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    auto deaf = jail.park(program);
    jailsvc::jailer::ignore_no_signals();
    auto parked = jail.park(program);
    REQUIRE(deaf);
    REQUIRE(parked);
    const auto held = attest_program(jail.plan(), {}, jail.stub(), deaf->pid, {});
    REQUIRE_FALSE(held);
    CHECK(held.error().op == kStepIsolation);
    CHECK(held.error().text.find("signals") != std::string::npos);
    CHECK(attest_program(jail.plan(), {}, jail.stub(), parked->pid, {}));  // control
    for (auto* one : {&*deaf, &*parked}) {
        (void)jailsvc::jailer::open_gate(*one);
        (void)await_end(*one);
    }
}

TEST_CASE("attest: a descriptor that was not declared is refused", "[jail]") {
    REQUIRE_JAILS();
    Jail jail(default_plan());
    REQUIRE(jail.stands());
    Program program;
    program.argv = {"/bin/true"};
    program.passed = {1};
    auto parked = jail.park(program);
    REQUIRE(parked);
    const auto held = attest_program(jail.plan(), {}, jail.stub(), parked->pid, {});
    REQUIRE_FALSE(held);
    CHECK(held.error().op == kStepDescriptors);
    CHECK(attest_program(jail.plan(), {}, jail.stub(), parked->pid, *identify({1})));  // control
    (void)jailsvc::jailer::open_gate(*parked);
    (void)await_end(*parked);
}
