#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_map.hpp"
#include "config/load.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/watch.hpp"
#include "jailer/plugin/plugin_host.hpp"

namespace jailsvc::jailer {

/// What starts need of a unit once its plan is there; the rest, its name too, is in the plan.
struct PlannedUnit {
    SharedText text;  ///< see config::Unit
    config::ServiceCommands service;
    Rarely<config::LoggingTable> logging;
    Rarely<config::SocketTable> socket;
    Rarely<config::JobTable> job;
    Rarely<config::ReadinessTable> readiness;
    Rarely<config::HealthTable> health;
    Rarely<config::ConditionTable> condition, assertion;
    config::ServiceType type = config::ServiceType::kExec;
};

/// A unit and what its jail takes: made once, shared by every start of that version of the unit.
struct LoadedUnit {
    PlannedUnit unit;
    CompiledPlan plan;
    bool prepared = false;                               ///< the plugins' `prepare` ran
    std::unique_ptr<CompiledPlan> probe_plan = nullptr;  ///< once its first probe was made
};
using LoadedPtr = std::shared_ptr<LoadedUnit>;

/// Adds what the core wants in every plan: the soft limit on descriptors that this process itself
/// began with, since the jailer has raised its own and children inherit it.
void add_core_operations(Plan& plan, std::uint64_t soft_files, std::uint64_t hard_files);

/// Units by name and digest, read from root-owned files by the jailer itself (law 5), with their
/// plans. A digest names a text, so a hit needs no look at the files; after `invalidate` the files
/// are read again, and what was made of them before serves only where they do not give that text
/// any more: what runs goes on through an edit that is half done. Several callers that wait for one
/// plan share the worker that makes it; a unit that waits for a worker is a name and a digest, its
/// files are read when it gets one.
class UnitCache {
public:
    using Done = std::function<void(Result<LoadedPtr>)>;

    UnitCache(struct ev_loop* loop, PluginHost& plugins, config::Sources sources);
    ~UnitCache();

    /// The unit whose effective text has this digest; an error if the files say otherwise by now
    /// and no start of that text is remembered.
    /// `done` is called once, possibly before this returns.
    void get(const std::string& name, const Digest& digest, Done done);
    /// The unit as its files are now.
    void get_current(const std::string& name, Done done);
    /// The unit of an effective text kept since an earlier start.
    void get_from_text(const std::string& name, std::string_view text, Done done);

    /// Remembers what a jail ran as, which may come from an earlier jailer, for a start of the same
    /// text.
    void remember(const LoadedPtr& unit);
    /// What the files give from now on. A start that was asked for before that is still known.
    void replace(const LoadedPtr& unit);
    void invalidate();
    void forget(const std::string& name);
    [[nodiscard]] const config::Sources& sources() const { return sources_; }

    /// Whether plans are in the making, and what to call when the last of them is settled.
    [[nodiscard]] bool busy() const { return !making_.empty(); }
    void when_idle(std::function<void()> hook) { idle_hook_ = std::move(hook); }

    /// For add_core_operations; set before the limit is raised.
    void set_file_limits(std::uint64_t soft, std::uint64_t hard);

private:
    struct Work;
    struct Making;
    struct Known {
        LoadedPtr unit;
        bool old = false;  ///< the files come first
    };
    [[nodiscard]] const Known* known(const std::string& name, const Digest& digest) const;
    [[nodiscard]] LoadedPtr fresh(const std::string& name, const Digest& digest) const;
    Making& make(const std::string& name, const Digest& digest, Done done);
    void run_next();
    [[nodiscard]] std::shared_ptr<Making> next_to_begin();
    [[nodiscard]] Result<void> read_files(Making& making);
    void begin(const std::shared_ptr<Making>& making);
    void settle_without_files(const std::shared_ptr<Making>& making, Error error);
    void finish(const std::shared_ptr<Making>& making);
    void settle(const std::shared_ptr<Making>& making, Result<LoadedPtr> result);

    struct ev_loop* loop_;
    PluginHost& plugins_;
    config::Sources sources_;
    FlatMap<std::string, Known> loaded_;
    FlatMap<std::string, Known> replaced_;         ///< the one before, of those that were replaced
    std::vector<std::shared_ptr<Making>> making_;  ///< in order; some wait for a free worker
    bool advancing_ = false;                       ///< run_next is at work
    std::function<void()> idle_hook_;
    std::uint64_t soft_files_ = 1024;
    std::uint64_t hard_files_ = 4096;
};

}  // namespace jailsvc::jailer
