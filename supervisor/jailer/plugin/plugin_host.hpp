#pragma once

#include <jailsvc_plugin.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/places.hpp"
#include "base/result.hpp"
#include "config/load.hpp"
#include "config/schema.hpp"
#include "config/unit.hpp"
#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// A plan worker at work. Destroying it kills and reaps the worker.
class PlanJob {
public:
    PlanJob(PlanJob&&) noexcept;
    PlanJob& operator=(PlanJob&&) noexcept;
    ~PlanJob();
    /// Readable when finish_plan will not block: the plan is there, or the worker has died.
    [[nodiscard]] int fd() const;

private:
    friend class PluginHost;
    struct Impl;
    explicit PlanJob(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// How long the loop lets a plan worker run before it gives up on it.
inline constexpr std::chrono::seconds kPlanTimeout{5};

/// The loaded plugins, and plans made with them. Lives as long as the jailer.
class PluginHost {
public:
    /// Loads every *.so of the directory, in the order of their names. A plugin that is refused
    /// (not root's file, truncated, another ABI major, malformed schema, a name twice) is left out
    /// and its reason kept; the others load.
    [[nodiscard]] static PluginHost load(const Places& places);
    PluginHost(PluginHost&&) noexcept;
    PluginHost& operator=(PluginHost&&) noexcept;
    ~PluginHost();

    [[nodiscard]] const std::vector<std::string>& refusals() const;  ///< "PATH: why; cure"
    [[nodiscard]] std::vector<config::Table> tables() const;
    /// Tables of plugins that are not there: of files that were refused, and of what is missing
    /// from the shipped set. They have no keys; units that need them are told why.
    [[nodiscard]] const std::vector<config::Table>& absent() const;
    /// Whether one of those is of the shipped set: jails are not what they should be.
    [[nodiscard]] bool lacks_shipped() const;
    /// Core and plugin tables together, also those of absent().
    [[nodiscard]] const config::Schema& schema() const;

    /// Begins to make the unit's plan in a short-lived, sandboxed worker, so that a plugin that
    /// crashes, hangs or eats memory costs this one start. Three crashes in a row put the plugin
    /// in quarantine: units that use its table are refused, with the reason.
    /// `places` say where the unit's keys were written, for errors.
    [[nodiscard]] Result<PlanJob> begin_plan(const config::Unit& unit,
                                             config::JailPlaces places = {});
    /// What became of it, or everything that plugins have against the unit; call when the job's
    /// descriptor is readable, or to give up on it.
    [[nodiscard]] config::Checked<Plan> finish_checked(PlanJob job);
    /// The same in one line: the first error and how to see the others.
    [[nodiscard]] Result<Plan> finish_plan(PlanJob job);

    // [parent] hooks of all plugins, in order. Errors name the plugin.
    [[nodiscard]] Result<void> prepare(const std::string& unit);
    [[nodiscard]] Result<void> started(const std::string& unit, int pid);
    void teardown(const std::string& unit);
    [[nodiscard]] std::string stats(const std::string& unit, int pid);

    /// Name and probes of every plugin that has any; each call belongs into a process of its own.
    using Doctor = int (*)(std::size_t i, jsv_probe* probe);
    [[nodiscard]] std::vector<std::pair<std::string, Doctor>> doctors() const;

private:
    struct Impl;
    explicit PluginHost(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace jailsvc::jailer
