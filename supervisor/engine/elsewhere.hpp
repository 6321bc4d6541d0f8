#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"
#include "engine/client.hpp"
#include "engine/records.hpp"
#include "engine/schedules.hpp"
#include "engine/self_reports.hpp"
#include "engine/sockets.hpp"
#include "engine/unit_groups.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// What a reload of all unit files found.
struct ReloadReport {
    std::vector<std::string> added, changed, removed, stale, errors, warnings;
};

/// Which log a client wants.
struct LogQuestion {
    std::string unit;
    bool follow = false;
    std::uint64_t file = 0;  ///< 0: the current one
    /// The answer where no log of it is kept: of what is no unit, or none any more.
    std::optional<control::Reply> if_none = {};
};

/// What methods need that is done by other processes or touches files. Answers may come later.
class Elsewhere {
public:
    virtual ~Elsewhere() = default;
    /// Whether the units are loaded; before that only questions about ourselves are answered.
    [[nodiscard]] virtual bool ready() const = 0;
    /// Errors of the unit's file: why the unit is unknown, or why an edit has not been taken.
    [[nodiscard]] virtual const std::vector<std::string>* file_errors(
        std::string_view unit) const = 0;
    /// What the unit's files say that was not read of them: errors, or anything else. Empty if
    /// nothing, or the unit is known to have none any more.
    [[nodiscard]] virtual std::string outdated(std::string_view unit) const = 0;
    /// Units that are unknown because of errors in their files, sorted.
    [[nodiscard]] virtual std::vector<std::string> broken_units() const = 0;
    /// All templates, those with errors in their files too, sorted by name.
    [[nodiscard]] virtual std::vector<config::Template> templates() const = 0;
    /// The unit's own name, of a name that may be an alias.
    [[nodiscard]] virtual std::string own_name(const std::string& unit) const = 0;
    /// Somebody has asked for that, and it was taken up.
    virtual void note_asked(const std::string& unit, service::Request what) = 0;
    /// The next boot does not start it though something wants it.
    [[nodiscard]] virtual bool stays_stopped(const std::string& unit) const = 0;
    /// Loads instances of templates, as far as there are such templates and they have no errors.
    virtual void load_instances(const std::vector<std::string>& units) = 0;
    [[nodiscard]] virtual Extra extra(std::string_view unit) const = 0;
    /// What the service uses, if it runs.
    [[nodiscard]] virtual std::optional<Usage> usage(std::string_view unit, pid_t main) const = 0;
    /// How often it reached a limit since it began.
    [[nodiscard]] virtual UnitGroups::Hits hits(std::string_view unit) const = 0;
    /// Everything that runs in its jail, the jail's init among it; without a control group its main
    /// process and what descends from it.
    [[nodiscard]] virtual std::vector<pid_t> processes(std::string_view unit, pid_t main) const = 0;
    /// Whether it has a control group of its own.
    [[nodiscard]] virtual bool is_grouped(std::string_view unit) const = 0;
    [[nodiscard]] virtual bool is_frozen(std::string_view unit) const = 0;
    /// Asks for all of its processes to be held where they are, or to go on.
    virtual void freeze(std::string_view unit, bool on) = 0;
    /// What the service has said of itself since it began.
    [[nodiscard]] virtual SelfReport self_report(std::string_view unit) const = 0;
    /// When the unit's [timer] runs it next, and ran it last.
    [[nodiscard]] virtual Schedules::Times times_of(std::string_view unit) const = 0;
    /// Every setting of the unit, defaults included.
    [[nodiscard]] virtual Result<std::string> settings(const config::Unit& unit) const = 0;
    virtual void plan(const std::string& unit, ClientRef client) = 0;
    virtual void logs(const LogQuestion& question, ClientRef client) = 0;
    virtual void exec(const std::string& unit, service::Token main_token, Fd socket,
                      ClientRef client) = 0;
    /// Keys of [jail.cgroups] and their values as typed, to hold from now on.
    virtual void set_property(const std::string& unit,
                              const std::map<std::string, std::string>& pairs,
                              ClientRef client) = 0;
    [[nodiscard]] virtual Sockets::State socket_state(std::string_view unit) const = 0;
    /// Loads the job's file, which has been written by now, and starts it. Answered when it runs
    /// or waits for its time; with `wait` when it is over. `socket`: see ipc::Lend; may be empty.
    virtual void run_job(const std::string& unit, bool wait, Fd socket, ClientRef client) = 0;
    virtual void wait_job(const std::string& unit, ClientRef client) = 0;
    [[nodiscard]] virtual std::vector<std::string> jobs() const = 0;
    /// The Job of the control interface.
    [[nodiscard]] virtual control::Json job(const std::string& unit) const = 0;
    /// False: it is no job, or not over.
    virtual bool remove_job(const std::string& unit) = 0;
    virtual ReloadReport reload() = 0;
    /// kind: exit, poweroff, reboot, halt, kexec, soft-reboot; false: unknown.
    virtual bool shutdown(std::string_view kind) = 0;
};

}  // namespace jailsvc::engine
