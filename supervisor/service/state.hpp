#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>

#include "service/types.hpp"

/// The life of one unit, as one total function without I/O.
///
/// A unit rests in `inactive` or, with a reason, in `failed`. Asked to start, it is `waiting` until
/// its dependencies allow, then `starting`: a token is drawn for the main process, exec_start_pre
/// runs in order (phase kPre), exec_start is launched (kMain), exec_start_post runs (kPost). A
/// service is up (`running`, ready) when its program has been executed and exec_start_post is
/// through; a oneshot when its program has ended well: then it is `done` if it remains, and else
/// goes down through `stopping`. A target has no program: it is `done` at once. Between kMain and
/// kPost a service that tells of itself has to say that it is ready (kAwaitReady); of a forking one
/// the program has to end well, then its daemon to be found, which is the main process from then
/// on. What says that it is ready before its exec is known goes on when that is.
///
/// Every way down leads through `stopping`, which knows where it leads (`after`: inactive, failed
/// or backoff). Asked to stop while up, exec_stop runs first (kStopCommand); not after a crash, and
/// not before the unit was up. Then processes are told to end (kTerminate), at the stop timeout
/// killed (kKill); a launch that is still under way is told again when it is answered. When the
/// last process has gone, exec_stop_post runs, always (kStopPost), then the jail is taken apart
/// (kTeardown), once per main token; the unit is down when that is answered. A stop that needed
/// SIGKILL ends in `failed`; one that did not ends in `inactive`, whatever the exit status.
///
/// A unit that connections start (Facts::on_demand) first opens its sockets (phase kListen) and is
/// `listening`, which counts as up. A connection starts it; when it ends for another reason than a
/// stop, and nothing restarts it, it is listening again, unless it crashes beyond the start limit.
/// One that times start is `listening` at once, and likewise again after each run.
/// A unit that accepts connections for its template's instances only listens. Whatever way a unit
/// with sockets comes to rest, they are closed before (phase kClose).
///
/// A crash (by the restart policy's table) leads to `backoff`, where nothing runs, and by its timer
/// to starting, waiting, or, beyond the start limit, failed. A failed start is treated alike.
///
/// A unit with conditions (Facts::conditions) has them looked at first (phase kCondition), where
/// nothing runs yet: where one does not hold, it rests again, `skipped`, which counts as having
/// done its work; where an assertion does not hold, it has failed.
///
/// A unit with health checks (Facts::checks) is checked while it is up (health.hpp), from
/// kBeginChecks to kEndChecks; one that is ready by them (Facts::ready_by_health) also in
/// kAwaitHealth, which the first good check ends. Being unhealthy is an event where that is to
/// restart it: then it is told to end, as after a crash without exec_stop.
///
/// A main process that the death of the jailer ended before its program was executed is no crash:
/// the start is made again from its first command, with another token, within the same timeout.
///
/// While it is up a service may say that it reads its configuration again: it is `reloading` until
/// it says that it is ready, or for timeout_start. One that says that it stops has timeout_stop to
/// end; how it ends decides what follows. One that its watchdog misses is told to end by a signal
/// of its own, and has failed.
///
/// Commands of a list run one after the other; a failure ends the list. A failed exec_reload leaves
/// the service running; the manager lets a stop wait for the end of a reload, which has a timeout.
///
/// Events that mean nothing in a state (late, repeated) leave it as it is.
namespace jailsvc::service {

enum class Event : std::uint8_t {
    kStart,             ///< is to be up, and may start now
    kWait,              ///< is to be up, and may not start yet
    kStop,              ///< is to be down, and may stop now
    kDependencyFailed,  ///< is to fail, because what it requires did
    kReload,
    kReset,         ///< forget the failure
    kStarted,       ///< a launch was answered: the program has been executed
    kLaunchFailed,  ///< the main program was not executed
    kMainExited,
    kNotExecuted,    ///< its process ended before the exec, through no fault of the unit
    kCommandDone,    ///< an exec_* command ended well
    kCommandFailed,  ///< it ended otherwise, or was not executed
    kTornDown,
    kStartTimeout,
    kStopTimeout,
    kBackoffOver,
    kStable,         ///< up for restart_reset_after
    kActivated,      ///< something came over its sockets
    kSocketsLost,    ///< which cannot go on
    kClosed,         ///< they are closed, as was asked
    kReady,          ///< it has said that it is ready; or its daemon has been found
    kReloadingTold,  ///< it has said that it reads its configuration again
    kStoppingTold,   ///< it has said that it is about to end
    kWatchdog,       ///< it has not pinged in time, or has said that something is wrong
    kHealthy,        ///< a health check was good, of a unit that was not healthy
    kUnhealthy,      ///< its health checks say so, and it is to be restarted for that
};
inline constexpr std::size_t kEvents = 26;

/// What the function may know besides state and event. Policies are decided before (policy.hpp).
struct Facts {
    Phase phase = Phase::kNone;
    State after = State::kInactive;
    bool main_alive = false;     ///< after this event: a main process runs or its launch is open
    bool control_alive = false;  ///< the same of an exec_* command
    bool target = false;
    bool oneshot = false;
    bool remain = false;
    bool tells_ready = false;  ///< executed is not ready: it has to say so
    bool told_ready = false;   ///< it has, since its launch
    bool forking = false;
    bool adopted = false;  ///< its main process is another than the one that was launched
    bool has_pre = false, has_post = false, has_reload = false;
    bool has_stop = false, has_stop_post = false;
    bool sweep = false;         ///< kill_mode mixed: the rest is killed when the main process ends
    bool last_command = false;  ///< the command that ended was the last of its list
    bool clean = false;         ///< the main process ended as a success
    bool restart = false;       ///< the policy restarts after what happened
    bool on_demand = false;     ///< connections start it
    bool has_sockets = false;   ///< that may be open, and are not to stay so for a restart
    bool listening = false;     ///< its sockets are open for that
    bool opens = false;         ///< it has sockets to be opened for that; else it waits for a time
    bool limit = false;         ///< the start limit forbids another automatic start
    bool may_start = false;     ///< dependencies allow a start now
    bool conditions = false;    ///< that have to be looked at before anything else
    bool skip = false;          ///< one of them does not hold
    bool never = false;         ///< nor would it after a restart: an assertion
    bool checks = false;        ///< it has health checks
    bool ready_by_health = false;  ///< it is not ready before one of them was good
};

enum class Action : std::uint8_t {
    kAdopt,      ///< the unit as loaded now is what runs
    kNewMain,    ///< draw a main token, count the start
    kRenewMain,  ///< draw another for the same start
    kLaunchPre,  ///< first command of exec_start_pre; so on
    kLaunchMain,
    kLaunchListen,  ///< open the sockets
    kLookAtConditions,
    kSkip,
    kDropCommand,  ///< what was asked for last is not waited for any more
    kListens,      ///< they are open
    kAwait,        ///< be told when something comes
    kCloseSockets,
    kLaunchPost,
    kLaunchReload,
    kLaunchStop,
    kLaunchStopPost,
    kLaunchNext,  ///< next command of the same list
    kTerminate,   ///< kill_signal, then SIGCONT, to what runs
    kAbort,       ///< watchdog_signal likewise
    kFindDaemon,
    kKillAll,      ///< SIGKILL to everything in the jail
    kKillCommand,  ///< SIGKILL to the exec_* command
    kTeardown,
    kReady,
    kSucceeded,  ///< a oneshot without remain_after_exit is through
    kReloaded,
    kReloadFailed,
    kBlame,  ///< what just happened is why it failed
    kCountRestart,
    kForgive,  ///< the restart delay starts anew
    kArmStart,
    kArmStop,
    kArmBackoff,
    kArmStable,
    kArmWatchdog,
    kBeginChecks,  ///< if they have not begun
    kEndChecks,
    kDisarmStart,
    kDisarmStop,
    kDisarmBackoff,
    kDisarmStable,
    kDisarmWatchdog,
};
inline constexpr Action kLastAction = Action::kDisarmWatchdog;

/// A short list without allocation.
class Actions {
public:
    static constexpr std::size_t kCapacity = 12;

    constexpr Actions() = default;
    constexpr Actions(std::initializer_list<Action> actions) {
        for (const Action action : actions) add(action);
    }
    constexpr void add(Action action) {
        assert(count_ < kCapacity);
        items_[count_++] = action;
    }
    constexpr void add(const Actions& others) {
        for (const Action action : others) add(action);
    }
    [[nodiscard]] constexpr const Action* begin() const { return items_.data(); }
    [[nodiscard]] constexpr const Action* end() const { return items_.data() + count_; }
    constexpr bool operator==(const Actions&) const = default;

private:
    std::array<Action, kCapacity> items_{};
    std::size_t count_ = 0;
};

struct Step {
    State next = State::kInactive;
    Phase phase = Phase::kNone;
    State after = State::kInactive;  ///< meant for kStopping only
    Actions actions;

    bool operator==(const Step&) const = default;
};

/// Total: defined for every state and event.
[[nodiscard]] Step step(State state, Event event, const Facts& facts);

}  // namespace jailsvc::service
