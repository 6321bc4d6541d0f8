#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/fd.hpp"
#include "base/flat_map.hpp"
#include "base/result.hpp"
#include "jailer/cgroup/devices.hpp"
#include "jailer/cgroup/events.hpp"
#include "jailer/cgroup/hierarchy.hpp"
#include "jailer/cgroup/limits.hpp"
#include "jailer/cgroup/pressure.hpp"
#include "jailer/jail/jail.hpp"

/// A control group for every jail.
namespace jailsvc::jailer::cgroup {

/// Open groups of one unit, for a child to be born in or to move itself into. Good for one start.
struct Door {
    Fd unified;             ///< its directory in version 2, for CLONE_INTO_CGROUP; or empty
    std::vector<Fd> files;  ///< to write itself into, in the other hierarchies
    std::vector<int> tasks;

    [[nodiscard]] CgroupEntry entry() const {
        return {unified ? unified.get() : -1, tasks.data(), tasks.size()};
    }
};

/// All groups of this supervisor: in each hierarchy, below the group it runs in itself, one group
/// with a name of its own, and below that one per unit, "web.unit".
///
/// A unit's group is made with its jail, with the limits of its plan in it, and stays while the
/// unit is loaded: a restart pays nothing. Where none can be made, units that name no limit run
/// without. Nothing is kept open.
///
/// In each hierarchy of version 1 a unit has a group only if there is something to limit or to
/// measure in it. The tracker is the hierarchy that tells which processes are a unit's: version
/// 2's, or version 1's freezer, else any.
class Tree {
public:
    /// Looks at /proc; makes nothing.
    [[nodiscard]] static Tree open();
    Tree(std::vector<Hierarchy> own, std::string name);

    /// The unit's group with the limits of this plan, whose digest names it. A limit that cannot be
    /// had is the error, or returned if the plan calls it optional. Without limits and without a
    /// place for groups there is no group and no error. The unit has no process now.
    [[nodiscard]] Jailed<std::vector<JailFailure>> make(const std::string& unit,
                                                        const Digest& digest,
                                                        const CompiledPlan& plan);

    /// Opens the unit's groups; an empty door where it has none.
    [[nodiscard]] Result<Door> open_door(const std::string& unit);

    /// Reads back that the process is in the unit's groups.
    [[nodiscard]] Jailed<void> attest_place(const std::string& unit, pid_t pid);

    /// The same, and that every limit is in force there.
    /// Optional limits that do not hold are returned.
    [[nodiscard]] Jailed<std::vector<JailFailure>> attest(const std::string& unit,
                                                          const CompiledPlan& plan, pid_t pid);

    /// The limits of a unit that runs become those of `after`, of the same unit with this digest;
    /// a hierarchy that it had no group in gets its processes. All hold and are read back, or those
    /// of `before` are put back. Optional limits that cannot be had are returned.
    [[nodiscard]] Jailed<std::vector<JailFailure>> adjust(const std::string& unit,
                                                          const CompiledPlan& before,
                                                          const CompiledPlan& after,
                                                          const Digest& digest);

    [[nodiscard]] bool has(const std::string& unit);
    [[nodiscard]] std::vector<pid_t> processes(const std::string& unit);
    /// Whether the process is in the unit's group at this moment.
    [[nodiscard]] bool contains(const std::string& unit, pid_t pid);
    /// SIGKILL to everything in the unit's group, whatever forks meanwhile.
    void kill(const std::string& unit);

    /// Holds every process of the unit where it is, and lets them go on.
    [[nodiscard]] Result<void> freeze(const std::string& unit, bool on);
    [[nodiscard]] bool is_frozen(const std::string& unit);

    /// Removes the unit's groups; false while processes are in one of them.
    bool remove(const std::string& unit);

    /// At a jailer's start, when it is known which units live: removes every other group of ours,
    /// with what is in it, and the empty ones of supervisors that have ended.
    void sweep(const std::vector<std::string>& living);
    /// At the supervisor's end: ends what is left in our groups and removes them all; the group it
    /// was started in is as it was.
    void end();

    /// The group that holds all of this supervisor's in the hierarchy of that controller; the
    /// tracker's for "". Empty without one.
    struct Place {
        std::string directory;
        Version version{};
    };
    [[nodiscard]] Place place_of(std::string_view controller);

    /// Tells when units wait for resources longer than their triggers allow.
    [[nodiscard]] Pressure& pressure() { return pressure_; }
    /// Sets the triggers of a unit whose group an earlier jailer made.
    void watch_pressure(const std::string& unit, const CompiledPlan& plan);
    /// Tells when units reach their limits.
    [[nodiscard]] Events& events() { return events_; }
    /// Whether the end of one process for want of memory is to be the end of all, and the kernel
    /// does not see to it.
    [[nodiscard]] bool ends_all_on_oom(const std::string& unit) const;

    /// Why there are no groups; empty if there are or may be.
    [[nodiscard]] const std::string& why_not() const { return why_not_; }
    [[nodiscard]] const std::vector<Controller>& controllers() const { return controllers_; }
    /// The unit's directory in the hierarchy of that controller ("" for the tracker), for readers
    /// of its files; empty if there is none.
    [[nodiscard]] std::string directory_of(const std::string& unit, std::string_view controller);

private:
    /// Our part of one hierarchy.
    struct Branch {
        Hierarchy own;
        std::string directory;  ///< of the group that holds our units'
        std::string path;       ///< the same, as /proc/PID/cgroup names it
        bool made = false;
        bool broken = false;  ///< it was tried, and cannot be made
        bool born_in = true;  ///< children can be cloned right into its groups (version 2)
    };
    using Mask = std::uint32_t;  ///< bit i: branches_[i]

    [[nodiscard]] static std::string group_name(const std::string& unit);
    [[nodiscard]] static std::string directory_in(const Branch& branch, const std::string& unit);
    [[nodiscard]] static Result<void> enable(const Branch& branch, const std::string& controller);
    static void settle_supervisor(const Branch& branch);
    static void unsettle(const Branch& branch);
    [[nodiscard]] Result<void> make_branch(Branch& branch);
    [[nodiscard]] Mask branches_for(std::span<const Write> writes);
    [[nodiscard]] Branch* branch_of(std::string_view controller);
    [[nodiscard]] Branch* tracker();
    [[nodiscard]] Result<Mask> make_groups(const std::string& unit, Mask wanted);
    [[nodiscard]] Result<void> write_limit(const std::string& unit, const Write& write);
    [[nodiscard]] Mask mask_of(const std::string& unit);
    // tree_pressure.cpp
    [[nodiscard]] std::string unified_directory(const std::string& unit);
    [[nodiscard]] std::optional<JailFailure> arm_triggers(const std::string& unit,
                                                          const CompiledPlan& plan,
                                                          std::vector<JailFailure>& weakened);
    [[nodiscard]] std::optional<JailFailure> attest_triggers(const std::string& unit,
                                                             const CompiledPlan& plan,
                                                             std::vector<JailFailure>& weakened);
    // tree_devices.cpp
    [[nodiscard]] bool has_device_programs();
    [[nodiscard]] bool needs_device_group(const std::optional<DeviceList>& list);
    [[nodiscard]] std::optional<JailFailure> restrict_devices(const std::string& unit,
                                                              const CompiledPlan& plan,
                                                              const std::optional<DeviceList>& list,
                                                              std::vector<JailFailure>& weakened);
    [[nodiscard]] Result<void> write_device_list(const std::string& unit, const DeviceList& list);
    [[nodiscard]] Result<void> attach_device_list(const std::string& unit, const DeviceList& list);
    [[nodiscard]] std::string why_devices_unheld(const std::string& unit, const DeviceList& list);
    [[nodiscard]] std::optional<JailFailure> attest_devices(const std::string& unit,
                                                            const CompiledPlan& plan,
                                                            std::vector<JailFailure>& weakened);
    // tree_adjust.cpp
    [[nodiscard]] Result<void> move_in(const std::string& unit, const Branch& branch);
    [[nodiscard]] Result<void> join_branches(const std::string& unit,
                                             std::span<const Write> writes);
    [[nodiscard]] std::string value_of(const Write& write);
    [[nodiscard]] std::optional<JailFailure> write_all(const std::string& unit,
                                                       std::vector<Write> writes);
    [[nodiscard]] std::optional<JailFailure> find_unheld(const std::string& unit,
                                                         std::span<const Write> writes);
    void remove_dead(const Branch& branch);
    void watch_limits(const std::string& unit);

    std::vector<Branch> branches_;
    std::vector<Controller> controllers_;
    std::string name_;
    std::string why_not_;
    struct Group {
        Digest digest{};
        Mask mask = 0;
        bool killed = false;  ///< by cgroup.kill: made anew before the next start
        bool end_all_on_oom = false;
        std::uint32_t device_program = 0;  ///< its number; 0: none, or an earlier jailer's
        std::uint64_t devices = 0;         ///< hash of the list that it holds
    };
    FlatMap<std::string, Group> groups_;
    Events events_;
    Pressure pressure_;
    std::optional<bool> device_programs_;  ///< whether the kernel takes them from us
    bool device_lists_ = true;             ///< false: no means for one was found when one was tried
};

}  // namespace jailsvc::jailer::cgroup
