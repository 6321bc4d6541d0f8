#pragma once

#include <optional>
#include <span>

#include "exposure.hpp"
#include "plan_view.hpp"

namespace jailsvc::ctl {

struct WallQuestion {
    const PlanView& plan;
    const std::optional<KernelFacts>& facts;
};

/// One row of the table of walls.
struct WallRow {
    const char* name;
    int weight;
    /// Fills in all but name and weight.
    void (*look)(const WallQuestion&, Wall&);
    const char* plugin;  ///< whose optional operations it is made of
};
[[nodiscard]] std::span<const WallRow> wall_rows();

}  // namespace jailsvc::ctl
