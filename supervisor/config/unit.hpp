#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/list.hpp"
#include "base/rarely.hpp"
#include "base/shared_path.hpp"
#include "base/shared_text.hpp"
#include "config/unit_digest.hpp"

namespace jailsvc::config {

using Duration = std::chrono::nanoseconds;
inline constexpr Duration kForever = Duration::max();  ///< "infinity"

/// An argument vector; element 0 is the program. Never passed through a shell.
using Command = List<std::string>;

enum class ServiceType : std::uint8_t { kExec, kOneshot, kNotify, kNotifyFd, kForking };
enum class Restart : std::uint8_t {
    kNo,
    kOnSuccess,
    kOnFailure,
    kOnAbnormal,
    kOnAbort,
    kOnWatchdog,
    kAlways,
    kUnlessStopped
};
/// Whose messages on the unit's notify socket count.
enum class NotifyAccess : std::uint8_t {
    kNone,  ///< there is no such socket, unless something else in the unit needs one: then kAll
    kMain,
    kAll,  ///< every process in the unit's jail
};
enum class KillMode : std::uint8_t { kJail, kProcess, kMixed };
/// What says that a service is up.
enum class Ready : std::uint8_t {
    kType,    ///< what its type says
    kHealth,  ///< and then its first good health check
};
enum class OnUnhealthy : std::uint8_t { kNone, kRestart, kSignal };

/// [unit]
struct UnitTable {
    std::string description;
    List<std::string> documentation;
    List<std::string> requires_, wants, binds_to, part_of, after, before, conflicts;
    List<std::string> on_failure, on_success;  ///< units started when this one ends so
    bool essential = false;                    ///< its end is the supervisor's
    bool masked = false;                       ///< nothing starts it, whoever asks
    std::uint32_t start_limit_burst = 5;
    Duration start_limit_interval = std::chrono::seconds(10);
};

/// [unit.condition] and [unit.assert]; systemd.unit(5) is the model. Values as parse_condition has
/// them.
struct ConditionTable {
    List<std::string> path_exists, path_is_directory, path_is_symbolic_link, path_is_mount_point,
        path_is_read_write, directory_not_empty, file_not_empty, file_is_executable;
    List<std::string> kernel_command_line, virtualization, architecture, host, user, capability,
        environment;
    bool operator==(const ConditionTable&) const = default;
};

/// What [service] says of processes: what is run, and how the end of one is called.
struct ServiceCommands {
    Command exec_start;
    List<Command> exec_start_pre, exec_start_post, exec_reload, exec_stop, exec_stop_post;
    List<int> success_exit_status;  ///< exit codes besides 0
    List<int> success_signals;      ///< signals besides TERM, INT, HUP, PIPE on stop
};

/// [service]. Names and meanings follow systemd.service(5) where it has them.
struct ServiceTable : ServiceCommands {
    ServiceType type = ServiceType::kExec;
    Restart restart = Restart::kNo;
    KillMode kill_mode = KillMode::kJail;
    bool remain_after_exit = false;
    int kill_signal = 15;
    Duration restart_delay = std::chrono::milliseconds(100);
    Duration restart_delay_max = std::chrono::seconds(30);    ///< the delay doubles up to this
    Duration restart_reset_after = std::chrono::seconds(10);  ///< up this long: delay starts anew
    Duration timeout_start = std::chrono::seconds(90);
    Duration timeout_stop = std::chrono::seconds(90);
    std::string working_directory;        ///< in the jail; empty: /
    std::optional<int> nice;              ///< -20..19
    std::optional<int> oom_score_adjust;  ///< -1000..1000
};

/// What [service] says of how a service tells of itself.
struct ReadinessTable {
    NotifyAccess notify_access = NotifyAccess::kNone;
    std::optional<int> notify_fd;  ///< of type notify_fd: the program's descriptor
    std::string pid_file;          ///< of type forking; a path in the jail
    Duration watchdog{};           ///< longest time between two pings; 0: none
    int watchdog_signal = 6;
    std::uint32_t file_descriptor_store_max = 0;
    Ready ready = Ready::kType;
    bool operator==(const ReadinessTable&) const = default;
};

/// [health]: one of the first four says what a check is.
struct HealthTable {
    Command exec;             ///< a program in the unit's jail
    std::string http;         ///< see parse_http_target in health_target.hpp
    std::string tcp;          ///< see parse_tcp_target
    std::string unix_socket;  ///< path in the jail, or @NAME
    Duration interval = std::chrono::seconds(10);
    Duration timeout = std::chrono::seconds(5);
    std::uint32_t retries = 5;  ///< so many bad ones in a row: unhealthy
    Duration start_period = std::chrono::seconds(30);
    OnUnhealthy on_unhealthy = OnUnhealthy::kNone;
    int signal = 0;  ///< for kSignal
    bool operator==(const HealthTable&) const = default;

    [[nodiscard]] bool present() const {
        return !exec.empty() || !http.empty() || !tcp.empty() || !unix_socket.empty();
    }
};

/// [timer]; systemd.timer(5) is the model.
struct TimerTable {
    List<std::string> on_calendar;  ///< see Calendar
    Duration on_boot = kForever;    ///< after the machine's boot
    Duration on_active = kForever;  ///< after the unit was asked to start
    Duration every = kForever;      ///< after the start of the last run
    Duration jitter{};              ///< at most so much later, at random
    bool persistent = false;        ///< a calendar's time missed while it did not wait is made up
    bool operator==(const TimerTable&) const = default;

    [[nodiscard]] bool present() const {
        return !on_calendar.empty() || on_boot != kForever || on_active != kForever ||
               every != kForever;
    }
};

enum class Activation : std::uint8_t { kEager, kOnDemand };

/// [socket]. Names and meanings follow systemd.socket(5) where it has them.
struct SocketTable {
    List<std::string> listen;  ///< see parse_socket_address in socket_address.hpp
    List<std::string> names;   ///< for LISTEN_FDNAMES; none: the unit's name
    Activation activation = Activation::kEager;
    bool accept = false;  ///< each connection is given to an instance of the template NAME@
    bool stdio = false;   ///< as its standard input and output
    std::uint32_t max_connections = 64;
    std::uint32_t max_connections_per_source = 0;  ///< 0: no other limit
    std::uint32_t trigger_limit_burst = 0;         ///< 0: 20, and 200 with accept
    Duration trigger_limit_interval = std::chrono::seconds(2);
    std::uint32_t backlog = 4096;
    std::string mode = "0666";  ///< of sockets that are files
    std::string owner, group;   ///< names or numbers; empty: root
    bool reuse_port = false;
    bool ipv6_only = false;
    bool free_bind = false;
    bool no_delay = false;
    bool keep_alive = false;
    bool pass_credentials = false;
    Duration defer_accept{};  ///< 0: a connection counts when it is made
    std::string bind_to_device;
    std::uint64_t receive_buffer = 0;  ///< [bytes], 0: what the kernel gives
    std::uint64_t send_buffer = 0;
    bool operator==(const SocketTable&) const = default;

    [[nodiscard]] bool present() const { return !listen.empty(); }
    /// It listens before a program runs, and after.
    [[nodiscard]] bool waits_for_connections() const {
        return present() && (accept || activation == Activation::kOnDemand);
    }
};

/// [environment]
struct EnvironmentTable {
    std::map<std::string, std::string> set;
    List<std::string> file;                          ///< root-owned files of NAME=VALUE lines
    std::map<std::string, std::string> stamps = {};  ///< of each file; see environment_files.hpp
    List<std::string> pass = {};  ///< names taken over from the supervisor's own environment
};

/// [logging]
struct LoggingTable {
    std::string stdout_ = "log";  ///< see parse_sinks in logging.hpp
    std::string stderr_ = "log";
    bool split = false;                  ///< stdout and stderr are told apart in the log
    std::uint64_t rate_limit = 0;        ///< [bytes/s], 0: none
    std::uint64_t max_size = 16U << 20;  ///< of the log before it is rotated [bytes]
    Duration max_age = kForever;         ///< of its first line before it is rotated
    std::uint32_t keep = 5;              ///< rotated files
    bool compress = true;                ///< rotated files, with zstd
    std::uint64_t output_cap = 0;        ///< of what one run writes [bytes], 0: none
    bool operator==(const LoggingTable&) const = default;
};

/// [job]: what `jailsvc run` makes. Once it has ended it is kept for a while, then it goes, and its
/// file and its log with it.
struct JobTable {
    Duration keep{};        ///< after its end; 0: the unit is no job
    bool stdin_ = false;    ///< standard input comes from who started it
    bool terminal = false;  ///< a terminal does, for all three
    bool operator==(const JobTable&) const = default;

    [[nodiscard]] bool present() const { return keep.count() > 0; }
    [[nodiscard]] bool is_lent_stdio() const { return stdin_ || terminal; }
};

/// [install]
struct InstallTable {
    List<std::string> wanted_by;
    List<std::string> alias;  ///< other names of the unit
    bool enabled = true;      ///< whether `wanted_by` holds
};

/// What [jail] itself says; the tables below it belong to the plugins.
struct JailTable {
    std::string profile = "default";
    List<std::string> optional;  ///< "plugin" or "plugin.key": may fail, then shows in status
};

/// One effective unit: profile, file, drop-ins and template arguments made into one.
struct Unit {
    std::string name;  ///< "web", "worker@3"; what commands take
    UnitTable unit;
    Rarely<ConditionTable> condition;  ///< else a start is skipped
    Rarely<ConditionTable> assertion;  ///< else it fails
    ServiceTable service;
    Rarely<ReadinessTable> readiness;
    Rarely<HealthTable> health;
    Rarely<EnvironmentTable> environment;
    Rarely<LoggingTable> logging;
    Rarely<TimerTable> timer;
    Rarely<SocketTable> socket;
    Rarely<JobTable> job;
    InstallTable install;
    JailTable jail;
    /// The whole effective unit as canonical TOML (sorted keys, specifiers expanded), [jail.*]
    /// included. This text is what the digest covers, and what `jailsvc show` prints.
    SharedText text;
    Digest digest{};         ///< of the text, see digest_of_unit
    List<SharedPath> files;  ///< what it was made of, in order of rising priority
    /// Of its files when they were read, see sight.hpp; 0: not looked at. A later reading that
    /// finds the same text leaves the unit and notes what it saw.
    mutable std::uint64_t sight = 0;
    /// A target groups others: it has no [service], starts and is done; or it accepts connections
    /// for the instances of its template.
    bool is_target = false;

    /// A start lets it wait for connections or times, which start its program.
    [[nodiscard]] bool is_activated() const {
        return socket->waits_for_connections() || timer->present();
    }

    /// The machine is looked at before a start.
    [[nodiscard]] bool has_conditions() const {
        return *condition != ConditionTable{} || *assertion != ConditionTable{};
    }

    void set_text(std::string_view whole) {
        text = SharedText(whole);
        digest = digest_of_unit(whole);
    }
};

/// Whose messages count; kNone: the service has no notify socket.
[[nodiscard]] inline NotifyAccess notify_access_of(ServiceType type, const ReadinessTable& table) {
    if (table.notify_access != NotifyAccess::kNone) return table.notify_access;
    const bool needed = type == ServiceType::kNotify || table.watchdog.count() > 0 ||
                        table.file_descriptor_store_max > 0;
    return needed ? NotifyAccess::kAll : NotifyAccess::kNone;
}

}  // namespace jailsvc::config
