#include "jailer/plugin/plan_worker.hpp"

#include <fmt/format.h>

#include <iterator>
#include <new>

#include "jailer/plan/plan_check.hpp"
#include "jailer/plan/plan_core.hpp"
#include "jailer/plugin/plugin_bridge.hpp"

namespace jailsvc::jailer {
namespace {

Result<void> add_plugin_operations(const PlanTask& task, SharedReport& report, Plan& plan) {
    for (std::size_t i = 0; i < task.plugins.size(); ++i) {
        report.set_step(static_cast<std::uint32_t>(i));
        PluginBridge bridge(task.unit, task.places, task.plugins[i]);
        auto ops = bridge.plan();
        if (!ops) return fail_in(task.plugins[i].name, std::move(ops).error());
        std::ranges::move(*ops, std::back_inserter(plan.ops));
    }
    report.set_step(kCoreStep);
    return {};
}

Result<std::string> make_plan(const PlanTask& task, SharedReport& report) {
    Plan plan{.unit = task.unit.name, .digest = task.unit.digest, .ops = {}, .environment = {}};
    // Before the sandbox: environment files may be readable by root alone.
    TRY(plan.ops, core_operations(task.unit));
    TRY_VOID(task.sandbox.enter());
    TRY_VOID(add_plugin_operations(task, report, plan));
    order_operations(plan.ops);
    TRY_VOID(check_plan(plan));
    std::string bytes = serialise(plan);
    if (bytes.size() > kMaxPlanBytes) return fail("the plan is longer than 4 MiB; make it smaller");
    return bytes;
}

}  // namespace

void run_plan_worker(const PlanTask& task, SharedReport& report) noexcept {
    try {
        report.set_step(kCoreStep);
        const auto plan = make_plan(task, report);
        if (plan) {
            report.finish(SharedReport::Outcome::kDone, *plan);
        } else {
            report.finish(SharedReport::Outcome::kError, plan.error().message);
        }
    } catch (const std::bad_alloc&) {
        report.finish(SharedReport::Outcome::kOutOfMemory, "");
    } catch (...) {
        report.finish(SharedReport::Outcome::kThrew, "");
    }
}

}  // namespace jailsvc::jailer
