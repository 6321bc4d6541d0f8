#include "exposure.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "exposure_walls.hpp"
#include "plan_view.hpp"

namespace jailsvc::ctl {
namespace {

/// What the unit's file says that its jail may do without, and the spelled-out powers.
std::vector<std::string> accepted(const PlanView& plan, std::uint64_t weakened,
                                  const std::vector<Wall>& walls) {
    std::vector<std::string> all;
    std::string optional;
    for (const Json& op : plan.all()) {
        if (!op.value("optional", false)) continue;
        const std::string plugin = PlanView::text(op, "plugin");
        if (!has_word(optional, plugin)) optional += (optional.empty() ? "" : " ") + plugin;
    }
    if (!optional.empty()) {
        all.push_back(
            fmt::format("[jail] optional: runs also where parts of {} cannot be had{}", optional,
                        weakened > 0 ? fmt::format("; {} are not there now", weakened) : ""));
    }
    if (plan.find("root") == nullptr && !plan.has_namespace("pid")) {
        all.emplace_back("profile host: no jail at all");
    }
    for (const Wall& wall : walls) {
        const bool near_root = wall.name == "capabilities" && wall.exposed == wall.weight;
        if (near_root) all.push_back("[jail.identity] capabilities: near root");
        if (wall.name == "sockets handed in" && wall.exposed > 0) {
            all.push_back("[jail.chroot] binds: " + wall.how);
        }
    }
    return all;
}

bool may_be_missing(const PlanView& plan, const char* plugin) {
    return std::ranges::any_of(plan.all(), [&](const Json& op) {
        return op.value("optional", false) && PlanView::text(op, "plugin") == plugin;
    });
}

}  // namespace

double Exposure::score() const {
    int weights = 0;
    int sum = 0;
    for (const Wall& wall : walls) {
        weights += wall.weight;
        sum += wall.exposed;
    }
    return weights == 0 ? 10.0 : 10.0 * sum / weights;
}

bool Exposure::broken() const {
    return std::ranges::find(walls, Wall::Basis::kBroken, &Wall::basis) != walls.end();
}

const char* level_of(double score) {
    constexpr double kTight = 1.5, kGuarded = 4, kExposed = 8;
    return score <= kTight     ? "tight"
           : score <= kGuarded ? "guarded"
           : score <= kExposed ? "exposed"
                               : "unconfined";
}

Exposure exposure_of(const Json& plan, std::uint64_t weakened,
                     const std::optional<KernelFacts>& facts) {
    const PlanView view(plan);
    Exposure exposure;
    for (const WallRow& row : wall_rows()) {
        Wall wall{.name = row.name, .weight = row.weight};
        row.look({view, facts}, wall);
        // Which optional parts are missing nobody tells: any of them may be.
        const bool doubtful = weakened > 0 && wall.basis == Wall::Basis::kPlan &&
                              wall.exposed < wall.weight && may_be_missing(view, row.plugin);
        if (doubtful) {
            wall.exposed = wall.weight;
            wall.how += ", if it could be had";
            wall.risk = fmt::format("do whatever \"{}\" is to keep from it", wall.name);
        }
        exposure.walls.push_back(std::move(wall));
    }
    exposure.accepted = accepted(view, weakened, exposure.walls);
    return exposure;
}

}  // namespace jailsvc::ctl
