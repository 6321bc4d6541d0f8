#pragma once

#include <cstdint>
#include <span>

#include "base/places.hpp"
#include "config/unit.hpp"
#include "jailer/plugin/plan_sandbox.hpp"
#include "jailer/plugin/plugin_load.hpp"
#include "jailer/plugin/shared_report.hpp"

namespace jailsvc::jailer {

/// Step of a SharedReport while the core's own work goes on; else it is the index of a plugin.
inline constexpr std::uint32_t kCoreStep = UINT32_MAX;

struct PlanTask {
    const config::Unit& unit;
    const Places& places;
    std::span<const LoadedPlugin> plugins;
    const PlanSandbox& sandbox;
};

/// [worker] Makes the plan and leaves it, serialised, or the error's text in `report`. Says before
/// each plugin which one comes, so that a crash has a name.
void run_plan_worker(const PlanTask& task, SharedReport& report) noexcept;

}  // namespace jailsvc::jailer
