#pragma once

#include <jailsvc_plugin.h>

#include <memory>
#include <string>
#include <vector>

#include "base/places.hpp"
#include "base/result.hpp"
#include "config/schema.hpp"
#include "config/unit.hpp"
#include "jailer/plan.hpp"

namespace jailsvc::jailer {

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
    /// Core and plugin tables together.
    [[nodiscard]] const config::Schema& schema() const;

    /// Makes the unit's plan in a short-lived, sandboxed worker, so that a plugin that crashes,
    /// hangs or eats memory costs this one start. Blocks for at most `kWorkerTimeout`; called once
    /// per version of a unit. Three crashes in a row put the plugin in quarantine.
    [[nodiscard]] Result<Plan> plan(const config::Unit& unit);

    // [parent] hooks of all plugins, in order. Errors name the plugin.
    [[nodiscard]] Result<void> prepare(const std::string& unit);
    [[nodiscard]] Result<void> started(const std::string& unit, int pid);
    void teardown(const std::string& unit);
    [[nodiscard]] std::string stats(const std::string& unit, int pid);

private:
    struct Impl;
    explicit PluginHost(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace jailsvc::jailer
