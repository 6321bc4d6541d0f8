#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/unit.hpp"
#include "service/types.hpp"

namespace jailsvc::service {

using JobId = std::uint64_t;

enum class Request : std::uint8_t { kStart, kStop, kRestart, kReload };

/// How a request ended. Every request settles exactly once.
enum class JobOutcome : std::uint8_t { kDone, kFailed, kCancelled, kDependency, kTimeout, kRefused };
struct JobResult {
    JobOutcome outcome = JobOutcome::kDone;
    std::string text;  ///< names the unit, condition or limit that decided; empty when kDone
};

/// What survives the engine: enough for a new one to go on with this unit as if nothing happened.
/// Trivially copyable; the engine writes it into the state memfd (two slots, checksummed) before
/// the act it announces (a token is recorded before its launch is requested).
struct Record {
    char unit[128];
    State state;
    std::uint8_t ready;
    std::uint8_t wanted_up;      ///< the last request was a start
    std::uint8_t last_by_signal;
    std::int32_t last_code;
    Token main_token;            ///< current or last main process
    Token control_token;         ///< running exec_* command, or 0
    Purpose control_purpose;
    std::uint16_t control_index;
    std::int32_t main_pid;       ///< 0 while none runs
    std::uint64_t state_since_ns;
    std::uint64_t main_started_ns;
    std::uint64_t backoff_until_ns;
    std::uint32_t restarts;      ///< automatic restarts since the last request to start
    std::uint32_t backoff_level; ///< how often the delay has doubled
    std::uint32_t recent_starts; ///< within the start limit's interval
    std::uint32_t reserved;
    std::uint64_t interval_began_ns;
    std::uint8_t digest[32];     ///< of the effective unit that was started
};

/// Told of every change, after the queues have settled; must not call back into the manager.
class Observer {
public:
    virtual ~Observer() = default;
    virtual void changed(const Record& record, State before) = 0;  ///< persist, log, publish
    virtual void settled(JobId job, const JobResult& result) = 0;
};

/// One unit as `status` shows it.
struct Status {
    const config::Unit* unit = nullptr;
    Record record{};
    std::string because;  ///< for waiting, backoff, failed: what it waits for or why
    std::uint64_t next_restart_ns = 0;
    std::optional<JobId> job;
    bool stale = false;   ///< its file has changed since it was started
};

/// All units, their dependencies, requests and state machines. No I/O: everything to be done goes to
/// Launcher and Timers, everything that happened comes in by on_*. Two phases as in dinit: state
/// changes propagate through queues until quiet, then actions are executed; no recursion.
class Manager {
public:
    Manager(Launcher& launcher, Timers& timers, Observer& observer);
    ~Manager();
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;

    /// Takes a new set of units. Units that vanished go once they are down; changed ones take effect
    /// at their next start. Cycles and missing requirements make a unit refuse to start, each error
    /// named here; no other unit is affected.
    struct LoadReport {
        std::vector<std::string> added, changed, removed, running_stale;
        std::vector<std::string> errors;
    };
    LoadReport load(std::vector<config::Unit> units);

    /// Asks for a change and what it depends on. Refused at once (no job) for an unknown unit, a
    /// cycle, …; otherwise the job settles through Observer, possibly before this returns.
    [[nodiscard]] Result<JobId> request(Request what, std::string_view unit);

    /// Stops everything in reverse order; settles when all is down. Starts are refused from now on.
    [[nodiscard]] JobId stop_all();

    /// A signal to the running service on behalf of a client.
    [[nodiscard]] Result<void> kill(std::string_view unit, int signo, Whom whom);

    void reset_failed(std::string_view unit);

    // What happened. Tokens that are not known are ignored (return false).
    bool on_started(Token token, int pid, std::uint64_t exec_ns);
    bool on_launch_failed(Token token, const LaunchFailure& failure);
    bool on_exited(Token token, const ExitInfo& info);
    void on_torn_down(std::string_view unit, Token token);
    void on_timer(std::string_view unit, TimerKind kind);

    /// After an engine's death: the records found, before any on_*; then each on_exited that the
    /// keeper kept, and on_started for what lives. Timers are armed again from the records.
    void restore(const std::vector<Record>& records);

    /// Next token to use: larger than every token in the restored records. Saved by the engine.
    [[nodiscard]] Token next_token() const;
    void set_next_token(Token token);

    [[nodiscard]] std::optional<Status> status(std::string_view unit) const;
    [[nodiscard]] std::vector<std::string> names() const;  ///< sorted
    [[nodiscard]] const config::Unit* find(std::string_view unit) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace jailsvc::service
