#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/unit.hpp"
#include "service/record.hpp"
#include "service/types.hpp"

namespace jailsvc::service {

using JobId = std::uint64_t;

enum class Request : std::uint8_t { kStart, kStop, kRestart, kReload };

/// What a service says of itself, or its watchdog of it.
enum class Told : std::uint8_t { kReady, kReloading, kStopping, kPing, kWatchdogTrigger };

/// How a request ended. Every request settles exactly once.
enum class JobOutcome : std::uint8_t {
    kDone,
    kFailed,
    kCancelled,
    kDependency,
    kTimeout,
    kRefused
};
struct JobResult {
    JobOutcome outcome = JobOutcome::kDone;
    std::string text;  ///< names the unit, condition or limit that decided; empty when kDone
};

/// Told of every change, after the queues have settled; must not call back into the manager.
class Observer {
public:
    virtual ~Observer() = default;
    /// Persist, log, publish. Comes before the acts that the record announces. `before` is the
    /// state that was last told; equal to record.state where only other fields changed.
    virtual void changed(const Record& record, State before) = 0;
    virtual void settled(JobId job, const JobResult& result) = 0;
    /// Something about the unit that people should know and no state tells.
    virtual void noted(std::string_view unit, const std::string& text) = 0;
    /// What the unit's health checks say of it has changed; `reason`: of the last bad one.
    virtual void health_changed(std::string_view unit, Health before, Health now,
                                const std::string& reason) = 0;
    /// An essential unit has failed, or ended without being asked. `exit_code`: its program's, or
    /// 128 and the signal; never 0 if it failed.
    virtual void essential_ended(std::string_view unit, int exit_code) = 0;
    /// A unit whose file is gone, or that forget_when_down was called for, is not known any more.
    virtual void dropped(std::string_view unit) = 0;
};

/// One unit as `status` shows it.
struct Status {
    const config::Unit* unit = nullptr;
    Vitals record{};
    std::string because;  ///< for waiting, backoff, failed: what it waits for or why
    std::uint64_t next_restart_ns = 0;
    std::vector<config::Duration> next_delays;  ///< of restarts after that one, see delays_after
    std::optional<JobId> job;
    std::string health_reason;            ///< of its last bad health check
    std::uint64_t health_changed_ns = 0;  ///< 0: not known
    std::uint64_t health_checked_ns = 0;  ///< when the last check ended; 0: not known
    bool stale = false;      ///< its file has changed since it was started, see digest_of_unit
    bool file_gone = false;  ///< there is nothing to start it from again
};

/// All units, their dependencies, requests and state machines. No I/O: everything to be done goes
/// to Launcher and Timers, everything that happened comes in by on_*. Two phases as in dinit: state
/// changes propagate through queues until quiet, then actions are executed; no recursion.
/// What the states mean is told in state.hpp; how units act on each other:
///
/// - Start pulls in requires and wants; a unit waits until each `requires` is up and each other
///   `after` has settled. Conflicting units are stopped first.
/// - Stop takes down required_by and part_of, each before what it is ordered after.
/// - A required unit that fails, is stopped, or ends for good takes its dependents down; those that
///   fail for it say so ("db failed: exit code 1"). While a restart policy brings it back, it
///   counts as coming and dependents stay (docs/adr/0002-requires-implies-order.md).
///   Those that failed only for it start again when it is up again, if nobody stopped them since.
/// - Who binds to a unit is down while it is not up, also while its restart policy brings it back.
/// - Restart takes the same units down as stop and brings those up again that were up.
/// - on_failure and on_success start units within their start limits, so that two units that start
///   each other come to an end.
/// - A later request in the opposite direction cancels the earlier, which is told by whom.
class Manager {
public:
    Manager(Launcher& launcher, Timers& timers, Observer& observer);
    ~Manager();
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;

    /// Takes a new set of units. Units that vanished go once they are down; changed ones take
    /// effect at their next start. Cycles and missing requirements make a unit refuse to start,
    /// each error named here; no other unit is affected.
    struct LoadReport {
        std::vector<std::string> added, changed, removed, running_stale;
        std::vector<std::string> errors;
    };
    /// What is wrong with files, by their units' names, one line each. A unit of that name is of an
    /// earlier load: it goes on with its restarts if it is up, but no request starts it.
    using Faults = std::map<std::string, std::string, std::less<>>;
    LoadReport load(std::vector<config::Unit> units, Faults faults = {});
    /// Takes more units, or new versions of some, beside those there are. However many: the order
    /// of all units is made anew once.
    LoadReport add(std::vector<config::Unit> units);

    /// The unit is one of many that are made as they are needed: it goes once it is down, and
    /// nothing restarts it.
    void forget_when_down(std::string_view unit);

    /// Asks for a change and what it depends on. Refused at once (no job) for an unknown unit, a
    /// cycle, …; otherwise the job settles through Observer, possibly before this returns.
    [[nodiscard]] Result<JobId> request(Request what, std::string_view unit);

    /// The start of what the unit wants, at a boot: units of `left_out` come only where they are
    /// required.
    using Names = std::set<std::string, std::less<>>;
    [[nodiscard]] Result<JobId> request_boot(std::string_view unit, const Names& left_out);

    /// Stops everything in reverse order; settles when all is down. Starts are refused from now on.
    [[nodiscard]] JobId stop_all();

    /// How long that takes at most, from now on: the longest chain of units that stop one after
    /// the other, by their timeouts. kForever where one of them has none.
    [[nodiscard]] config::Duration stop_bound() const;

    /// A signal to the running service on behalf of a client.
    [[nodiscard]] Result<void> kill(std::string_view unit, int signo, Whom whom);

    void reset_failed(std::string_view unit);

    /// A unit that is not at rest runs as this one from now on, though nothing was started.
    void runs_as(config::Unit unit);

    // What happened. Tokens that are not known are ignored (return false).
    bool on_started(Token token, int pid, std::uint64_t exec_ns);
    bool on_launch_failed(Token token, const LaunchFailure& failure);
    bool on_exited(Token token, const ExitInfo& info);
    void on_torn_down(std::string_view unit, Token token);
    void on_timer(std::string_view unit, TimerKind kind);
    /// Something came over the sockets of a unit that waits for it; or they cannot go on, and why.
    void on_activated(std::string_view unit, const std::string& fault = {});
    void on_sockets_closed(std::string_view unit);

    /// The service has said something of itself. False: it means nothing now.
    bool on_told(std::string_view unit, Told what);
    /// Another process of the unit's is the main process from now on, by this token and pid: as the
    /// service of that main token has said, or because it was found. False: of no use any more.
    bool on_adopted(Token main_token, Token token, int pid);
    /// There is no daemon to be found, and will be none.
    void on_daemon_missing(Token main_token, const std::string& why);
    /// The service wants another interval than the unit's; nothing if the unit has no watchdog.
    void set_watchdog(std::string_view unit, std::uint64_t interval_us);
    /// So long from now it may at least take to start, stop or reload.
    void extend_timeout(std::string_view unit, config::Duration by);

    /// After an engine's death, after load(): the records found, before any on_*; then each
    /// on_exited that the keeper kept; then resume(). Timers are armed again with what is left of
    /// their time. What runs keeps the policies of its start, if `started` has a unit of that name
    /// and digest: those whose file is another by now, or gone. A record whose unit has neither is
    /// kept with default policies until it is down.
    using StartedUnits = std::vector<std::shared_ptr<const config::Unit>>;
    void restore(const std::vector<Record>& records, const StartedUnits& started = {});

    /// Asks the Launcher again, with the same tokens, for everything that has not been answered:
    /// launches, signals of a stop, teardowns. For a new engine and for a new jailer; repetition
    /// is harmless.
    void resume();

    /// Next token to use: larger than every token in the restored records. Saved by the engine.
    [[nodiscard]] Token next_token() const;
    void set_next_token(Token token);

    [[nodiscard]] std::optional<Status> status(std::string_view unit) const;
    [[nodiscard]] std::vector<std::string> names() const;  ///< sorted
    [[nodiscard]] const config::Unit* find(std::string_view unit) const;

private:
    struct Impl;
    friend class Explorer;  ///< tests/unit/service/explorer.hpp: jumps between states
    std::unique_ptr<Impl> impl_;
};

}  // namespace jailsvc::service
