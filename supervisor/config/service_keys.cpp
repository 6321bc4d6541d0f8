#include "config/service_keys.hpp"

#include "config/checks.hpp"
#include "config/core_rows.hpp"

namespace jailsvc::config {

static constexpr Names<ServiceType, 5> names_of(ServiceType) {
    return {{{"exec", ServiceType::kExec},
             {"oneshot", ServiceType::kOneshot},
             {"notify", ServiceType::kNotify},
             {"notify_fd", ServiceType::kNotifyFd},
             {"forking", ServiceType::kForking}}};
}
static constexpr Names<NotifyAccess, 3> names_of(NotifyAccess) {
    return {{{"none", NotifyAccess::kNone},
             {"main", NotifyAccess::kMain},
             {"all", NotifyAccess::kAll}}};
}
static constexpr Names<Ready, 2> names_of(Ready) {
    return {{{"type", Ready::kType}, {"health", Ready::kHealth}}};
}
static constexpr Names<Restart, 8> names_of(Restart) {
    return {{{"no", Restart::kNo},
             {"on-success", Restart::kOnSuccess},
             {"on-failure", Restart::kOnFailure},
             {"on-abnormal", Restart::kOnAbnormal},
             {"on-abort", Restart::kOnAbort},
             {"on-watchdog", Restart::kOnWatchdog},
             {"always", Restart::kAlways},
             {"unless-stopped", Restart::kUnlessStopped}}};
}
static constexpr Names<KillMode, 3> names_of(KillMode) {
    return {
        {{"jail", KillMode::kJail}, {"process", KillMode::kProcess}, {"mixed", KillMode::kMixed}}};
}

namespace {

constexpr Rows<ServiceTable> service{"service", &Unit::service};
constexpr Rows<ReadinessTable, Rarely<ReadinessTable>> readiness{"service", &Unit::readiness};

CoreKey exec_start() {
    CoreKey row = service("exec_start", &ServiceTable::exec_start,
                          "The program and its arguments; required. No shell is involved.");
    row.key.type = KeyType::kCommand;
    return row;
}

}  // namespace

std::vector<CoreKey> service_keys() {
    using S = ServiceTable;
    return {
        service(
            "type", &S::type,
            "exec: up when executed; oneshot: up when it has ended well; notify: up when it has "
            "said READY=1 on $NOTIFY_SOCKET (sd_notify(3)); notify_fd: up when it has written "
            "a newline to descriptor notify_fd; forking: up when exec_start has ended well and "
            "its daemon is found."),
        exec_start(),
        service("exec_start_pre", &S::exec_start_pre,
                "Commands to run before exec_start, in the jail; a failing one fails the start."),
        service("exec_start_post", &S::exec_start_post, "Commands to run once the service is up."),
        service("exec_reload", &S::exec_reload,
                "Commands that make the service read its "
                "configuration again; none: a reload is refused."),
        service("exec_stop", &S::exec_stop,
                "Commands that ask the service to end, before signals."),
        service("exec_stop_post", &S::exec_stop_post,
                "Commands to run after the service has ended, however it did."),
        service("restart", &S::restart,
                "When the service is started again by itself. A stop that was asked for ends that "
                "under every policy, until the unit is started again. \"unless-stopped\" is "
                "\"always\" remembered over boots: one that was started by hand is started at the "
                "next boot though nothing wants it, one that was stopped by hand is not though a "
                "target does."),
        service("restart_delay", &S::restart_delay,
                "Wait before the first restart; doubles with each further one."),
        service("restart_delay_max", &S::restart_delay_max,
                "The wait grows up to this, or stays at restart_delay where that is longer."),
        service("restart_reset_after", &S::restart_reset_after,
                "After this long without a crash the wait is restart_delay again."),
        service("timeout_start", &S::timeout_start, "Longest time to become ready.", positive),
        service("timeout_stop", &S::timeout_stop, "Longest time to end before SIGKILL.", positive),
        service.signal("kill_signal", &S::kill_signal, "Signal that asks the service to end."),
        service("kill_mode", &S::kill_mode,
                "Who gets signals: the whole jail, the main process, or TERM the main process and "
                "KILL all."),
        service("remain_after_exit", &S::remain_after_exit,
                "Counts as up after its program has ended well."),
        service("success_exit_status", &S::success_exit_status,
                "Exit codes that count as success besides 0.", in_range(1, 255)),
        service.signals("success_signals", &S::success_signals,
                        "Signals that count as success besides TERM, INT, HUP and PIPE at a stop."),
        service("working_directory", &S::working_directory,
                "Directory in the jail to start in; the jail's root if absent.", absolute_path),
        service("nice", &S::nice, "Scheduling priority, -20 (first) to 19 (last).",
                in_range(-20, 19)),
        service("oom_score_adjust", &S::oom_score_adjust,
                "Whom the kernel kills first when memory runs out: -1000 (never) to 1000.",
                in_range(-1000, 1000)),
    };
}

std::vector<CoreKey> readiness_keys() {
    using R = ReadinessTable;
    return {
        readiness(
            "ready", &R::ready,
            "What says that the service is up, so that those that need it may start: what its "
            "type says (\"type\"), or after that its first good health check (\"health\", "
            "with a [health])."),
        readiness("notify_access", &R::notify_access,
                  "Whose messages on $NOTIFY_SOCKET count: the main process's, or all of the "
                  "unit's. \"none\" means all with type notify, watchdog or "
                  "file_descriptor_store_max, and else that there is no such socket."),
        readiness("notify_fd", &R::notify_fd,
                  "Descriptor that a service of type notify_fd writes a newline to when it is "
                  "ready.",
                  in_range(3, 63)),
        readiness("pid_file", &R::pid_file,
                  "File in the jail that a service of type forking writes its daemon's pid to; "
                  "without one, the daemon is the one process that exec_start left behind.",
                  absolute_path),
        readiness("watchdog", &R::watchdog,
                  "Once it is up, a service that has not said WATCHDOG=1 for so long has failed. "
                  "0: no watchdog."),
        readiness.signal(
            "watchdog_signal", &R::watchdog_signal,
            "Signal to a service that its watchdog missed; SIGKILL follows after timeout_stop."),
        readiness("file_descriptor_store_max", &R::file_descriptor_store_max,
                  "So many descriptors are kept for the service (FDSTORE=1) and passed to its next "
                  "start.",
                  in_range(0, 128)),
    };
}

}  // namespace jailsvc::config
