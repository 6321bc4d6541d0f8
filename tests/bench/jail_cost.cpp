// What a start costs, step by step, for a plan like the default profile's.
// usage: bench-jail-cost [ROUNDS]   (root; prints medians in microseconds)
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>

#include "base/sys.hpp"
#include "jail/jail_fixture.hpp"

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
        fmt::print("{:<32} {:>9.0f}\n", name, values[values.size() / 2]);
    }
};

Series kSteps[] = {
    {"stub: spawn returns", {}},     {"stub: ready", {}},      {"attest_jail", {}},
    {"program: spawn returns", {}},  {"program: ready", {}},   {"attest_program", {}},
    {"gate opened to executed", {}}, {"executed to ended", {}}};

bool one_round(const CompiledPlan& plan) {
    Program program;
    program.argv = {"/bin/true"};
    auto since = Clock::now();
    auto stub = spawn_stub(spawn_context(), plan, {});
    kSteps[0].add(since);
    if (!stub || await_report(plan, *stub).kind != Report::Kind::kReady) return false;
    kSteps[1].add(since);
    const bool jail_holds = attest_jail(plan, {}, stub->pid).has_value();
    kSteps[2].add(since);
    auto parked = spawn_program(spawn_context(), plan, {}, stub->pidfd.get(), program);
    kSteps[3].add(since);
    if (!parked || await_report(plan, *parked).kind != Report::Kind::kReady) return false;
    kSteps[4].add(since);
    const bool program_holds = attest_program(plan, {}, stub->pid, parked->pid).has_value();
    kSteps[5].add(since);
    if (!open_gate(*parked)) return false;
    (void)await_report(plan, *parked);
    kSteps[6].add(since);
    (void)await_end(*parked);
    kSteps[7].add(since);
    (void)jailsvc::sys::pidfd_signal(stub->pidfd.get(), SIGKILL);
    (void)await_end(*stub);
    return jail_holds && program_holds;
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 200;
    auto plan = CompiledPlan::make(default_plan());
    if (!plan) return 1;
    for (int i = 0; i < rounds; ++i) {
        if (!one_round(*plan)) return 1;
    }
    for (Series& step : kSteps) step.print();
}
