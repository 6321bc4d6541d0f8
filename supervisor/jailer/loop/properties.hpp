#pragma once

#include <deque>
#include <optional>
#include <string>

#include "config/overlay.hpp"
#include "jailer/loop/core.hpp"
#include "jailer/loop/jails.hpp"

namespace jailsvc::jailer {

/// Limits of units changed by `jailsvc set-property`, one request after the other.
///
/// What is to hold goes into a drop-in among the transient units, so that it lasts until the
/// machine is started anew, as `systemctl set-property --runtime` has it. Before that drop-in is
/// there, the unit is loaded as if it were, with the site's ceiling over it, its plan is made, and
/// it must be another one in limits alone. Where the unit runs, its limits are written and read
/// back. Only then the drop-in is put in its place, by a rename. Nothing changes if any of that
/// fails.
class Properties {
public:
    Properties(Core& core, Jails& jails) : core_(core), jails_(jails) {}

    void set(const ipc::SetProperty& request, Fd overlay);

private:
    struct Change {
        std::uint64_t serial = 0;
        std::string unit;
        config::Document overlay;
        std::string keys;     ///< of the overlay, for people
        std::string text;     ///< of the unit as it will be
        LoadedPtr now;        ///< as its files say; null if they have errors and it runs
        LoadedPtr next;       ///< as they will say
        ipc::Token jail = 0;  ///< the one that runs; 0: none
        LoadedPtr run_now, run_next;
    };
    using Step = void (Properties::*)();

    void next();
    [[nodiscard]] Result<void> begin(Fd overlay);
    [[nodiscard]] Result<config::Unit> load_as_if(const std::string& drop_in);
    void plan(const std::string& text, LoadedPtr Change::* into, Step then);
    void take(const Result<LoadedPtr>& loaded, LoadedPtr Change::* into, Step then);
    void planned_now();
    void planned_next();
    void planned_run_now();
    void planned_run();
    void apply();
    [[nodiscard]] Result<void> put_in_place();
    [[nodiscard]] Result<Jail*> running_jail();
    void finish(const Result<std::string>& result);

    Core& core_;
    Jails& jails_;
    struct Waiting {
        std::uint64_t serial;
        std::string unit;
        Fd overlay;
    };
    std::deque<Waiting> waiting_;
    std::optional<Change> change_;
};

}  // namespace jailsvc::jailer
