// What a start costs, step by step, for a plan like the default profile's.
// usage: bench-jail-cost [ROUNDS [scope|landlock|view|group]]  (root; prints medians and the
// tenth percentile in microseconds, which a busy machine moves less) "group": in a control group
// with limits and a list of devices; made anew in each round, though a restart finds it there.
// Rounds on the ground and rounds by pivot_root take turns; a view is made by pivot_root always.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include "base/sys.hpp"
#include "jail/jail_fixture.hpp"
#include "jail/own_groups.hpp"
#include "jailer/child/landlock_rights.hpp"

namespace {

using namespace jailsvc::jailer;
using namespace jailsvc::jailer::test;
using Clock = std::chrono::steady_clock;

struct Series {
    const char* name;
    std::vector<double> values;

    /// Adds the time since `since`, and begins the next step.
    void add(Clock::time_point& since) {
        const auto now = Clock::now();
        values.push_back(std::chrono::duration<double, std::micro>(now - since).count());
        since = now;
    }
    void print() {
        std::ranges::sort(values);
        fmt::print("{:<32} {:>9.0f} {:>9.0f}\n", name, values[values.size() / 2],
                   values[values.size() / 10]);
    }
};

using Steps = std::array<Series, 8>;
const Steps kSteps = {{{"stub: spawn returns", {}},
                       {"stub: ready", {}},
                       {"attest_jail", {}},
                       {"program: spawn returns", {}},
                       {"program: ready", {}},
                       {"attest_program", {}},
                       {"gate opened to executed", {}},
                       {"executed to ended", {}}}};
Series kGroupSteps[] = {{"group: made, per load", {}},
                        {"group: found again", {}},
                        {"group: opened, twice", {}},
                        {"group: attested, twice", {}},
                        {"group: removed, per load", {}}};

constexpr const char* kUnit = "probe";

/// As a first start does, then as every later one.
bool enter_group(const CompiledPlan& plan, cgroup::Tree& groups, cgroup::Door& door) {
    auto since = Clock::now();
    if (!groups.make(kUnit, {}, plan)) return false;
    kGroupSteps[0].add(since);
    if (!groups.make(kUnit, {}, plan)) return false;
    kGroupSteps[1].add(since);
    auto first = groups.open_door(kUnit);  // for the init, and again for the program
    auto second = groups.open_door(kUnit);
    kGroupSteps[2].add(since);
    if (!first || !second) return false;
    door = std::move(*second);
    return true;
}

bool attest_group(const CompiledPlan& plan, cgroup::Tree& groups, pid_t pid) {
    auto since = Clock::now();
    const bool held = groups.attest(kUnit, plan, pid) && groups.attest(kUnit, plan, pid);
    kGroupSteps[3].add(since);
    return held;
}

void leave_group(cgroup::Tree& groups) {
    auto since = Clock::now();
    (void)groups.remove(kUnit);
    kGroupSteps[4].add(since);
}

bool one_round(const SpawnContext& context, const CompiledPlan& plan, cgroup::Tree* groups,
               Steps& steps) {
    Program program;
    program.argv = {"/bin/true"};
    cgroup::Door door;
    if (groups != nullptr && !enter_group(plan, *groups, door)) return false;
    auto since = Clock::now();
    auto stub = spawn_stub(context, plan, {}, -1, door.entry());
    steps[0].add(since);
    if (!stub || await_report(plan, *stub).kind != Report::Kind::kReady) return false;
    steps[1].add(since);
    const bool jail_holds = attest_jail(context, plan, {}, stub->pid).has_value();
    steps[2].add(since);
    auto parked = spawn_program(context, plan, {}, stub->pidfd.get(), program, door.entry());
    steps[3].add(since);
    if (!parked) return false;
    const Report ready = await_report(plan, *parked);
    if (ready.kind != Report::Kind::kReady) return false;
    steps[4].add(since);
    const bool program_holds =
        attest_program(plan, {}, stub->pid, parked->pid, {}, ready.evidence).has_value();
    steps[5].add(since);
    if (!open_gate(*parked)) return false;
    (void)await_report(plan, *parked);
    steps[6].add(since);
    (void)await_end(*parked);
    steps[7].add(since);
    const bool group_holds = groups == nullptr || attest_group(plan, *groups, stub->pid);
    (void)jailsvc::sys::pidfd_signal(stub->pidfd.get(), SIGKILL);
    (void)await_end(*stub);
    if (groups != nullptr) leave_group(*groups);
    return jail_holds && program_holds && group_holds;
}

/// The default plan and one more wall: "scope", "landlock" (ten paths), or "view" (those too).
Plan plan_with(std::string_view wall) {
    constexpr const char* kPaths[] = {"/bin",  "/dev", "/etc", "/lib",     "/lib64",
                                      "/proc", "/run", "/tmp", "/usr/bin", "/usr/lib"};
    Plan plan = default_plan();
    if (wall == "view") {
        const auto process = std::ranges::find(plan.ops, JSV_OP_RLIMIT, &Op::kind);
        std::vector<Op> ops = {make_op(JSV_OP_VIEW)};
        for (const char* path : kPaths) {
            ops.push_back(make_op(JSV_OP_REVEAL, {.flags = JSV_MOUNT_READ_ONLY, .text = {path}}));
        }
        plan.ops.insert(process, ops.begin(), ops.end());
    }
    if (wall == "group") {
        plan.ops.insert(plan.ops.begin(),
                        {make_op(JSV_OP_CGROUP, {.text = {"memory.max", "1073741824"}}),
                         make_op(JSV_OP_CGROUP, {.text = {"pids.max", "64"}}),
                         make_op(JSV_OP_DEVICES, {.flags = JSV_DEVICES_DEFAULT})});
        return plan;
    }
    const std::uint64_t fs = wall == "landlock" || wall == "view" ? landlock::kAllFs : 0;
    const std::uint64_t scope = wall.empty() ? 0 : landlock::kScopeAbstractSockets;
    if ((fs | scope) == 0) return plan;
    plan.ops.push_back(make_op(JSV_OP_LANDLOCK, {.number = {fs, 0, scope}}));
    for (const char* path : kPaths) {
        if (fs == 0) break;
        plan.ops.push_back(
            make_op(JSV_OP_LANDLOCK_PATH,
                    {.number = {landlock::kExecute | landlock::kReadFile}, .text = {path}}));
    }
    return plan;
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 200;
    auto plan = CompiledPlan::make(plan_with(argc > 2 ? argv[2] : ""));
    if (!plan) return 1;
    const bool grouped = argc > 2 && std::string_view(argv[2]) == "group";
    cgroup::Tree groups = own_groups();
    SpawnContext pivoting = spawn_context();
    pivoting.ground = nullptr;
    Steps on_ground = kSteps, by_pivot = kSteps;
    for (int i = 0; i < rounds; ++i) {
        cgroup::Tree* const tree = grouped ? &groups : nullptr;
        if (!one_round(spawn_context(), *plan, tree, on_ground)) return 1;
        if (!one_round(pivoting, *plan, tree, by_pivot)) return 1;
    }
    if (grouped) groups.end();
    for (const auto& [title, steps] :
         {std::pair{"on the ground", &on_ground}, std::pair{"by pivot_root", &by_pivot}}) {
        fmt::print("{}\n", title);
        for (Series& step : *steps) step.print();
    }
    if (!grouped) return 0;
    for (Series& step : kGroupSteps) step.print();
}
