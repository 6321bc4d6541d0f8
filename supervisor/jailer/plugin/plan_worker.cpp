#include "jailer/plugin/plan_worker.hpp"

#include <fmt/format.h>

#include <iterator>
#include <new>

#include "jailer/plan/account_view.hpp"
#include "jailer/plan/credential_access.hpp"
#include "jailer/plan/egress_access.hpp"
#include "jailer/plan/notify_access.hpp"
#include "jailer/plan/plan_check.hpp"
#include "jailer/plan/plan_core.hpp"
#include "jailer/plugin/plugin_bridge.hpp"

namespace jailsvc::jailer {
namespace {

/// A plugin that refuses does not keep the others from saying what they think of the unit.
std::vector<Refusal> add_plugin_operations(const PlanTask& task, SharedReport& report,
                                           std::vector<Op>& all) {
    std::vector<Refusal> refusals;
    for (std::size_t i = 0; i < task.plugins.size(); ++i) {
        report.set_step(static_cast<std::uint32_t>(i));
        PluginBridge bridge(task.unit, task.places, task.plugins[i]);
        auto ops = bridge.plan();
        if (ops) {
            std::ranges::move(*ops, std::back_inserter(all));
        } else {
            std::ranges::move(ops.error(), std::back_inserter(refusals));
        }
    }
    report.set_step(kCoreStep);
    return refusals;
}

struct Answer {
    SharedReport::Outcome outcome;
    std::string bytes;
};

Result<Answer> make_plan(const PlanTask& task, SharedReport& report) {
    Plan plan{.unit = task.unit.name, .digest = task.unit.digest, .ops = {}, .environment = {}};
    // Before the sandbox: environment files may be readable by root alone. One that is not there
    // is no reason not to hear the plugins.
    auto own = core_operations(task.unit);
    if (own) plan.ops = std::move(*own);
    TRY_VOID(task.sandbox.enter());
    auto refusals = add_plugin_operations(task, report, plan.ops);
    if (!own && refusals.empty()) return std::unexpected(std::move(own).error());
    if (!own) refusals.insert(refusals.begin(), Refusal{"", "", own.error().message});
    if (!refusals.empty()) return Answer{SharedReport::Outcome::kRefused, pack(refusals)};
    show_account(plan.ops, accounts_root(task.places), plan.unit);
    open_to_credentials(plan.ops);
    open_to_notify(plan.ops, task.unit, task.places);
    open_to_egress(plan.ops, plan.unit, task.places);
    order_operations(plan.ops);
    TRY_VOID(check_plan(plan));
    std::string bytes = serialise(plan);
    if (bytes.size() > kMaxPlanBytes) return fail("the plan is longer than 4 MiB; make it smaller");
    return Answer{SharedReport::Outcome::kDone, std::move(bytes)};
}

}  // namespace

void run_plan_worker(const PlanTask& task, SharedReport& report) noexcept {
    try {
        report.set_step(kCoreStep);
        const auto answer = make_plan(task, report);
        if (answer) {
            report.finish(answer->outcome, answer->bytes);
        } else {
            report.finish(SharedReport::Outcome::kError, answer.error().message);
        }
    } catch (const std::bad_alloc&) {
        report.finish(SharedReport::Outcome::kOutOfMemory, "");
    } catch (...) {
        report.finish(SharedReport::Outcome::kThrew, "");
    }
}

}  // namespace jailsvc::jailer
