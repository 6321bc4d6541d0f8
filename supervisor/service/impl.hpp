#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.hpp"
#include "service/entry.hpp"
#include "service/manager.hpp"
#include "service/state.hpp"

namespace jailsvc::service {

/// Something to be done outside, kept until the queues are quiet.
struct Effect {
    enum class Kind : std::uint8_t {
        kLaunch,
        kSignal,
        kTeardown,
        kRelease,
        kAwait,
        kCloseSockets,
        kFindDaemon,
        kArm,
        kDisarm
    };
    Kind kind = Kind::kLaunch;
    Entry* entry = nullptr;
    LaunchRequest launch{};
    Token token = 0;
    int signo = 0;
    bool restarts = false;  ///< of kTeardown
    Whom whom = Whom::kProcess;
    TimerKind timer = TimerKind::kStartTimeout;
    config::Duration after{};
};

/// What a run of the queues needs to know about what just happened: texts, endings. Only one event
/// is being handled at any time.
struct Happening {
    Ending ending = Ending::kClean;
    JobOutcome outcome = JobOutcome::kFailed;
    std::string text;
    bool last_command = false;
    bool skip = false;   ///< a condition does not hold
    bool never = false;  ///< an assertion does not
};

/// The manager's parts: load.cpp, link.cpp, requests.cpp, propagate.cpp, perform.cpp, arming.cpp,
/// execute.cpp, happen.cpp, tell.cpp, restore.cpp. Each public call ends with run().
struct Manager::Impl {
    Impl(Launcher& launches, Timers& times, Observer& observes)
        : launcher(launches), timers(times), observer(observes) {}

    Launcher& launcher;
    Timers& timers;
    Observer& observer;

    Entries entries;
    Tokens tokens;  ///< main (until the next start) and running commands
    Token next_token = 1;
    JobId next_job = 1;
    std::uint64_t transaction = 0;
    std::size_t active = 0;   ///< units not at rest
    Faults faults;            ///< of files that did not load
    std::size_t removed = 0;  ///< units to be forgotten once they are at rest
    bool shutting_down = false;
    const Names* left_out = nullptr;  ///< of the request that is made, see request_boot
    std::vector<JobId> shutdown_jobs;

    /// The state machine in use; the explorer puts broken ones here to see that it finds them.
    Step (*decide)(State, Event, const Facts&) = step;

    EntryQueue queue;
    std::vector<Entry*> touched;
    std::vector<Effect> effects;
    std::vector<std::pair<JobId, JobResult>> settled;
    struct Outcome {
        Entry* entry = nullptr;
        bool failed = false;
    };
    std::vector<Outcome> outcomes;  ///< what on_failure and on_success wait for
    std::vector<std::pair<Entry*, int>> essential_ends;
    std::vector<std::pair<Entry*, std::string>> notes;
    struct HealthChange {
        Entry* entry = nullptr;
        Health before = Health::kNone;
        Health now = Health::kNone;
        std::string reason;
    };
    std::vector<HealthChange> health_changes;

    // load.cpp
    LoadReport load(std::vector<config::Unit> units, Faults broken_files);
    LoadReport add(std::vector<config::Unit> units);
    void take(const config::Unit& unit, LoadReport& report);
    void taken(LoadReport& report);  ///< what follows from a changed set
    void tell_broken(const Entry& entry, LoadReport& report) const;
    void drop_removed();  ///< forgets removed units that are at rest
    Entry* find(std::string_view name) const { return entries.find(name); }

    // link.cpp
    void link();  ///< edges anew from a new graph
    [[nodiscard]] bool stands_apart(const Entry& entry) const;
    void link(Entry& entry);
    void unlink(const Entry& entry);
    void take_relations(Entry& entry, const graph::Graph::Node& node);
    [[nodiscard]] std::vector<Entry*> resolve(const std::vector<std::string>& names) const;

    // requests.cpp
    using Set = std::vector<Entry*>;
    Result<JobId> request(Request what, Entry& root);
    Result<Set> start_set(Entry& root);
    Set stop_set(Entry& root);
    Set must_set(Entry& root);
    void add_once(Set& set, Entry& entry) const;
    bool add_wanted(Set& set, Entry& wanted);
    enum class Asked : std::uint8_t { kNamed, kPulled, kTriggered };
    void want_up(Entry& entry, Asked asked, const std::string& by);
    void want_down(Entry& entry, const std::string& by);
    void want_again(Entry& entry, const std::string& by);
    void pull(const Set& set, Entry& root, Asked asked, const std::string& by);
    Result<JobId> reload(Entry& entry);
    void cancel(Entry& entry, bool stops, const std::string& by);
    void trigger(const Outcome& outcome);
    Result<void> trigger(Entry& triggered, const std::string& by);
    JobId stop_all();
    JobId add_job(Entry& entry, Request what);

    // propagate.cpp: phase one
    void run();  ///< until quiet, then execute
    void consider(Entry& entry);
    void pursue_up(Entry& entry);
    void pursue_down(Entry& entry);
    void take_down_dependents(Entry& failed);
    void take_down_bound(Entry& entry);
    void come_back(Entry& entry);
    void start_reload(Entry& entry);
    void apply(Entry& entry, Event event, const Happening& happening);
    void enter(Entry& entry, const Step& step);
    void note_outcome(Entry& entry, Event event, const Facts& facts, State before);
    void conclude(Entry& entry);
    void conclude_reloads(Entry& entry);
    void settle_jobs(Entry& entry);
    void settle(JobId job, JobOutcome outcome, std::string text);
    void touch(Entry& entry);
    void touch_neighbours(Entry& entry);
    Facts facts_of(const Entry& entry, Event event, const Happening& happening) const;

    // perform.cpp: actions into records and effects
    void perform(Entry& entry, Action action, const Happening& happening);
    void adopt(Entry& entry);
    void note(Entry& entry, Action action, const Happening& happening);
    void settle_reloads(Entry& entry, JobOutcome outcome, const std::string& text);
    void renew_main(Entry& entry);
    void new_main(Entry& entry);
    void launch_main(Entry& entry);
    void launch_command(Entry& entry, Purpose purpose, std::uint16_t index);
    void launch_next(Entry& entry);
    void request_command(Entry& entry);
    void terminate(Entry& entry);
    void abort(Entry& entry);
    void find_daemon(Entry& entry);
    void arm_watchdog(Entry& entry);
    void kill_all(Entry& entry);
    void kill_command(Entry& entry);
    void drop_command(Entry& entry);
    void await_connection(Entry& entry);
    void tear_down(Entry& entry);
    void close_sockets(Entry& entry);
    void signal(Entry& entry, Token token, int signo, Whom whom);

    // arming.cpp
    void arm_for(Entry& entry, TimerKind timer);
    void arm(Entry& entry, TimerKind timer, config::Duration after);
    void disarm(Entry& entry, TimerKind timer);
    void rearm(Entry& entry);
    void rearm_running(Entry& entry);
    void arm_rest(Entry& entry, TimerKind timer, config::Duration whole, std::uint64_t since_ns);

    // execute.cpp: phase two
    void release_kept();
    void carry_out(const Effect& effect);
    void execute();

    // happen.cpp
    bool on_started(Token token, int pid, std::uint64_t exec_ns);
    bool on_launch_failed(Token token, const LaunchFailure& failure);
    bool on_exited(Token token, const ExitInfo& info);
    void main_exited(Entry& entry, const ExitInfo& info);
    void command_ended(Entry& entry, Happening happening, bool well);
    bool made_again(Entry& entry, Token token);
    void on_torn_down(Entry& entry, Token token);
    void on_activated(Entry& entry, const std::string& fault);
    void on_timer(Entry& entry, TimerKind kind);

    // tell.cpp: what services say of themselves
    bool on_told(Entry& entry, Told what);
    bool on_adopted(Token main_token, Token token, int pid);
    void on_daemon_missing(Token main_token, const std::string& why);
    void set_watchdog(Entry& entry, std::uint64_t interval_us);
    void extend_timeout(Entry& entry, config::Duration by);

    // health_checks.cpp
    void begin_checks(Entry& entry);
    void end_checks(Entry& entry);
    void launch_check(Entry& entry);
    void request_check(Entry& entry);
    void check_due(Entry& entry);
    bool check_started(Entry& entry, Token token);
    bool check_ended(Entry& entry, Token token, const ExitInfo& info);
    bool check_not_run(Entry& entry, Token token, const LaunchFailure& failure);
    void forget_check(Entry& entry);
    void next_check(Entry& entry);
    void judge(Entry& entry, bool good, const std::string& reason);
    void become(Entry& entry, Health now, const std::string& reason);
    void heed(Entry& entry, const std::string& reason);
    void arm_check(Entry& entry);

    // restore.cpp
    void restore(const Record& record, const StartedUnits& started);
    void resume(Entry& entry);
};

/// Why the unit is down or goes there, for as long as it does. A start clears it.
void set_because(Entry& entry, std::string text);

[[nodiscard]] std::string tell(const ExitInfo& info);
[[nodiscard]] std::string tell(const LaunchFailure& failure);
[[nodiscard]] std::string tell(config::Duration duration);

/// What a new engine is to find of the unit; a longer text is cut.
[[nodiscard]] Record record_of(const Entry& entry);

/// The commands of a purpose in a unit.
[[nodiscard]] const List<config::Command>& commands_of(const config::Unit& unit, Purpose purpose);

}  // namespace jailsvc::service
