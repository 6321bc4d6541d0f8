#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/unit.hpp"

namespace jailsvc::service {

using Token = std::uint64_t;  ///< names one start of one process for ever; 0 is none

/// Where a unit is. `running` and `reloading` carry a readiness beside them (see Service).
enum class State : std::uint8_t {
    kInactive,
    kWaiting,   ///< wants to start, something it needs is not up yet
    kStarting,  ///< exec_start_pre, exec_start until ready, exec_start_post
    kRunning,
    kReloading,
    kStopping,  ///< exec_stop, signals, until the last process is gone, exec_stop_post
    kBackoff,   ///< crashed, waits for its delay before it starts again
    kFailed,
    kDone,       ///< a oneshot (or target) that succeeded and remains
    kListening,  ///< its sockets are open, the first connection starts it
};
[[nodiscard]] std::string_view name_of(State state);

/// Which part of a state a unit is in; kNone outside kStarting and kStopping.
enum class Phase : std::uint8_t {
    kNone,
    kPre,          ///< starting: exec_start_pre
    kMain,         ///< starting: exec_start is being launched; of a oneshot: runs
    kAwaitReady,   ///< starting: executed; has to say that it is ready, or its daemon to be found
    kAwaitHealth,  ///< starting: so far it is; its first good health check is waited for
    kPost,         ///< starting: exec_start_post
    kStopCommand,  ///< stopping: exec_stop
    kTerminate,    ///< stopping: kill_signal is sent, processes are to end
    kKill,         ///< stopping: SIGKILL is sent
    kStopPost,     ///< stopping: exec_stop_post
    kTeardown,     ///< stopping: the jail is being taken apart
    kListen,       ///< starting: its sockets are being opened
    kClose,        ///< stopping: they are being closed
    kCondition,    ///< starting: its conditions are being looked at
};

/// Same meanings and values as ipc::Purpose, which this folder may not include.
enum class Purpose : std::uint16_t {
    kMain,
    kStartPre,
    kStartPost,
    kReload,
    kStop,
    kStopPost,
    kHealth,
    kClient,
    kStub,
    kListen,
    kCondition,
};
/// The key of the unit file that such a command stands under ("exec_start_pre").
[[nodiscard]] std::string_view key_of(Purpose purpose);

/// kHealth: the limit of a check that runs; else the pause before the next.
enum class TimerKind : std::uint8_t {
    kStartTimeout,
    kStopTimeout,
    kBackoff,
    kStable,
    kWatchdog,
    kHealth,
};
inline constexpr std::size_t kTimerKinds = 6;

/// What a unit's health checks say; see health.hpp.
enum class Health : std::uint8_t {
    kNone,  ///< it has none, or is not up
    kStarting,
    kHealthy,
    kUnhealthy,
};
[[nodiscard]] std::string_view name_of(Health health);

/// How a process ended: an exit code, or a signal.
struct ExitInfo {
    bool by_signal = false;
    int code = 0;                ///< exit code or signal number
    bool out_of_memory = false;  ///< the signal came from the kernel, for want of memory
    std::uint64_t ended_ns = 0;
    std::uint64_t cpu_us = 0;
    std::uint64_t max_rss_kib = 0;
    /// False: it ended between clone and exec because the jailer died; its program never ran.
    bool executed = true;
    /// False: nobody who could be told saw how it ended; the rest means nothing.
    bool known = true;
};

/// Why a launch did not lead to an executed program.
struct LaunchFailure {
    int code = 0;        ///< errno
    std::string plugin;  ///< "core" or the plugin's name
    std::string operation;
    std::string text;  ///< for people, complete
};

struct LaunchRequest {
    Token token = 0;
    Token main_token = 0;  ///< of the running service, for every purpose but kMain
    std::string_view unit;
    Purpose purpose = Purpose::kMain;
    std::uint16_t command = 0;        ///< index into the unit's commands of that purpose
    int main_status = 0;              ///< wait status of the ended service, for kStopPost
    bool main_out_of_memory = false;  ///< that was the kernel's SIGKILL, for want of memory
    bool main_watchdog = false;       ///< that came of the watchdog
};

enum class Whom : std::uint8_t { kProcess, kAll };

/// What the state machine needs done by somebody with privileges. Every call returns at once; the
/// outcome comes back through Manager::on_*.
class Launcher {
public:
    virtual ~Launcher() = default;
    virtual void launch(const LaunchRequest& request) = 0;
    virtual void signal(std::string_view unit, Token token, int signo, Whom whom) = 0;
    /// Ends whatever is left of the start `token` and frees its jail; answered by on_torn_down.
    /// `restarts`: the unit starts again by itself: what it was started as is to be kept, and what
    /// holds no process may be freed after the answer.
    virtual void teardown(std::string_view unit, Token token, bool restarts) = 0;
    /// There will be no such restart. No answer.
    virtual void release(std::string_view unit, Token token) = 0;
    /// Is to say (on_activated) when something comes over the unit's sockets, once.
    virtual void await_connection(std::string_view unit) = 0;
    /// The unit comes to rest: its sockets are closed; answered by on_sockets_closed.
    virtual void close_sockets(std::string_view unit) = 0;
    /// Looks for the daemon that exec_start of a forking service has left behind, until it is found
    /// (on_adopted) or the unit does not start any more.
    virtual void find_daemon(std::string_view unit, Token main_token) = 0;
};

/// One-shot timers, one of each kind per unit; arming again replaces.
class Timers {
public:
    virtual ~Timers() = default;
    virtual void arm(std::string_view unit, TimerKind kind, config::Duration after) = 0;
    virtual void disarm(std::string_view unit, TimerKind kind) = 0;
    [[nodiscard]] virtual std::uint64_t now_ns() const = 0;  ///< CLOCK_BOOTTIME
};

}  // namespace jailsvc::service
