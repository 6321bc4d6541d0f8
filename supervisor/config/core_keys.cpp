#include "config/core_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/signals.hpp"
#include "config/checks.hpp"
#include "config/condition_keys.hpp"
#include "config/core_rows.hpp"
#include "config/health_keys.hpp"
#include "config/socket_keys.hpp"
#include "config/timer_keys.hpp"

// The table of the core's keys. The type of a key follows from the member it is stored in, its
// default from the member's initialiser in unit.hpp; nothing about a key is written twice.
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

constexpr Rows<UnitTable> unit{"unit", &Unit::unit};
constexpr Rows<ServiceTable> service{"service", &Unit::service};
constexpr Rows<ReadinessTable, Rarely<ReadinessTable>> readiness{"service", &Unit::readiness};
constexpr Rows<EnvironmentTable, Rarely<EnvironmentTable>> environment{"environment",
                                                                       &Unit::environment};
constexpr Rows<LoggingTable, Rarely<LoggingTable>> logging{"logging", &Unit::logging};
constexpr Rows<InstallTable> install{"install", &Unit::install};
constexpr Rows<JailTable> jail{"jail", &Unit::jail};

CoreKey exec_start() {
    CoreKey row = service("exec_start", &ServiceTable::exec_start,
                          "The program and its arguments; required. No shell is involved.");
    row.key.type = KeyType::kCommand;
    return row;
}

CoreKey kill_signal() {
    return {.table = "service",
            .key = {.name = "kill_signal",
                    .type = KeyType::kString,
                    .fallback = fmt::format("\"{}\"", format_signal(ServiceTable{}.kill_signal)),
                    .doc = "Signal that asks the service to end.",
                    .choices = {}},
            .check = signal_name,
            .store = [](const Value& value, Unit& out) {
                out.service.kill_signal =
                    parse_signal(std::get<Text>(value.data).text).value_or(out.service.kill_signal);
            }};
}

CoreKey watchdog_signal() {
    return {
        .table = "service",
        .key = {.name = "watchdog_signal",
                .type = KeyType::kString,
                .fallback = fmt::format("\"{}\"", format_signal(ReadinessTable{}.watchdog_signal)),
                .doc = "Signal to a service that its watchdog missed; SIGKILL follows after "
                       "timeout_stop.",
                .choices = {}},
        .check = signal_name,
        .store = [](const Value& value, Unit& out) {
            const auto signo = parse_signal(std::get<Text>(value.data).text);
            if (signo) out.readiness.make().watchdog_signal = *signo;
        }};
}

CoreKey success_signals() {
    return {.table = "service",
            .key = {.name = "success_signals",
                    .type = KeyType::kStringList,
                    .fallback = {},
                    .doc = "Signals that count as success besides TERM, INT, HUP and PIPE at a "
                           "stop.",
                    .choices = {}},
            .check = signal_name,
            .store = [](const Value& value, Unit& out) {
                std::vector<int> signals;
                for (const Text& one : std::get<TextList>(value.data)) {
                    if (const auto signo = parse_signal(one.text)) signals.push_back(*signo);
                }
                out.service.success_signals = std::move(signals);
            }};
}

CoreKey environment_set() {
    CoreKey row = environment("set", &EnvironmentTable::set,
                              "Variables by name, for everybody to see; secrets belong in file.",
                              environment_names);
    row.key.integers = false;
    return row;
}

CoreKey driver() {
    return {.table = "jail",
            .key = {.name = "driver",
                    .type = KeyType::kString,
                    .fallback = "\"native\"",
                    .doc = "What makes the jail: the kernel's own means, through the plugins.",
                    .choices = {"native"}},
            .check = {},
            .store = {}};
}

std::vector<CoreKey> unit_keys() {
    using U = UnitTable;
    return {
        unit("description", &U::description, "One line about the unit, for people."),
        unit("documentation", &U::documentation, "Where to read more: URLs, man pages."),
        unit("requires", &U::requires_,
             "Units started with this one; if one fails or stops, this one stops.", unit_names),
        unit("wants", &U::wants, "Units started with this one; their failure does not matter.",
             unit_names),
        unit("binds_to", &U::binds_to,
             "As requires; besides, this one stops while one of these is not up, if only to be "
             "restarted, and starts again with it.",
             unit_names),
        unit("part_of", &U::part_of, "Stopping or restarting one of these does so to this unit.",
             unit_names),
        unit("after", &U::after,
             "Order only: starts when these are up or have failed, if asked for.", unit_names),
        unit("before", &U::before, "Order only: these start when this unit is up.", unit_names),
        unit("conflicts", &U::conflicts, "Units that are stopped when this one starts.",
             unit_names),
        unit("on_failure", &U::on_failure, "Units that are started when this one has failed.",
             unit_names),
        unit("on_success", &U::on_success,
             "Units that are started when this one has done its work: all programs of a oneshot "
             "have ended well, or the service has, without being asked.",
             unit_names),
        unit("essential", &U::essential,
             "When it fails, or ends without being asked, everything is stopped and the supervisor "
             "ends with its exit code: for the service that a container is there for."),
        unit("masked", &U::masked,
             "Nothing starts it, whoever asks: `jailsvc mask` and `jailsvc unmask` write this."),
        unit("start_limit_burst", &U::start_limit_burst,
             "This many starts within start_limit_interval, then no more; a manual start begins "
             "the count anew.",
             in_range(1, 100'000)),
        unit("start_limit_interval", &U::start_limit_interval,
             "Span of time in which starts are counted; 0 switches the limit off."),
    };
}

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
                "under "
                "every policy, until the unit or the whole supervisor is started again: so "
                "\"always\" and \"unless-stopped\" are two names for the same."),
        service("restart_delay", &S::restart_delay,
                "Wait before the first restart; doubles with each further one."),
        service("restart_delay_max", &S::restart_delay_max,
                "The wait grows up to this, or stays at restart_delay where that is longer."),
        service("restart_reset_after", &S::restart_reset_after,
                "After this long without a crash the wait is restart_delay again."),
        service("timeout_start", &S::timeout_start, "Longest time to become ready.", positive),
        service("timeout_stop", &S::timeout_stop, "Longest time to end before SIGKILL.", positive),
        kill_signal(),
        service("kill_mode", &S::kill_mode,
                "Who gets signals: the whole jail, the main process, or TERM the main process and "
                "KILL all."),
        service("remain_after_exit", &S::remain_after_exit,
                "Counts as up after its program has ended well."),
        service("success_exit_status", &S::success_exit_status,
                "Exit codes that count as success besides 0.", in_range(1, 255)),
        success_signals(),
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
        watchdog_signal(),
        readiness("file_descriptor_store_max", &R::file_descriptor_store_max,
                  "So many descriptors are kept for the service (FDSTORE=1) and passed to its next "
                  "start.",
                  in_range(0, 128)),
    };
}

std::vector<CoreKey> other_keys() {
    return {
        environment_set(),
        environment("file", &EnvironmentTable::file,
                    "Root-owned files of NAME=VALUE lines; after a change run daemon-reload.",
                    absolute_path),
        environment("pass", &EnvironmentTable::pass,
                    "Names of variables taken over from the supervisor; the rest is clean.",
                    environment_names),
        install("wanted_by", &InstallTable::wanted_by,
                "Units that want this one: they start it with them. [\"default\"] starts it with "
                "the supervisor; being named here counts as enabled, unless `enabled` says no.",
                unit_names),
        install("enabled", &InstallTable::enabled,
                "Whether wanted_by holds: `jailsvc enable` and `jailsvc disable` write this."),
        jail("profile", &JailTable::profile,
             "Profile whose [jail.*] keys hold where the unit has "
             "none of its own.",
             profile_name),
        jail("optional", &JailTable::optional,
             "Parts of the jail that may fail to be made (\"identity\", \"chroot.binds\"); status "
             "shows it.",
             optional_parts),
        driver(),
    };
}

std::vector<CoreKey> logging_keys() {
    using L = LoggingTable;
    constexpr std::uint64_t kLeastFile = 64U << 10;
    constexpr std::uint64_t kMostFile = std::uint64_t{1} << 40;
    return {
        logging("stdout", &L::stdout_,
                "Where standard output goes: \"log\" (the unit's own log file), \"journal\", "
                "\"syslog\", \"syslog-5424\", \"console\", \"container\" (jailsvc-init's own "
                "standard output), several joined by \"+\"; or \"null\"; or \"file:/PATH\", which "
                "the program itself appends to. See docs/LOGGING.md.",
                log_sinks),
        logging("stderr", &L::stderr_, "Where standard error goes, likewise.", log_sinks),
        logging(
            "split", &L::split,
            "Tells the two apart in the log, for `logs --stream`; costs a second pipe, and the "
            "order between them is that of reading. So it is where they go to different places."),
        logging(
            "rate_limit", &L::rate_limit,
            "Bytes a second that are kept, ten seconds' worth at once; lines beyond are dropped "
            "and counted in the log. 0: no limit."),
        logging("max_size", &L::max_size, "The log file is rotated when it would grow beyond this.",
                bytes_in_range(kLeastFile, kMostFile)),
        logging("max_age", &L::max_age,
                "It is rotated before the next line, too, when its first one is older than this.",
                positive),
        logging("keep", &L::keep, "So many rotated files are kept.", in_range(0, 10'000)),
        logging("compress", &L::compress, "Rotated files are compressed, with zstd."),
    };
}

std::vector<CoreKey> make_core_keys() {
    std::vector<CoreKey> all = unit_keys();
    for (auto& row : condition_keys()) all.push_back(std::move(row));
    for (auto& row : service_keys()) all.push_back(std::move(row));
    for (auto& row : readiness_keys()) all.push_back(std::move(row));
    for (auto& row : health_keys()) all.push_back(std::move(row));
    for (auto& row : socket_keys()) all.push_back(std::move(row));
    for (auto& row : timer_keys()) all.push_back(std::move(row));
    for (auto& row : logging_keys()) all.push_back(std::move(row));
    for (auto& row : other_keys()) all.push_back(std::move(row));
    return all;
}

}  // namespace

const std::vector<CoreKey>& core_keys() {
    static const std::vector<CoreKey> kAll = make_core_keys();
    return kAll;
}

const CoreKey* find_core_key(std::string_view table, std::string_view key) {
    const auto& all = core_keys();
    const auto found = std::find_if(all.begin(), all.end(), [&](const CoreKey& row) {
        return row.table == table && row.key.name == key;
    });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace jailsvc::config
