#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/shared_text.hpp"

namespace jailsvc::config {

using Duration = std::chrono::nanoseconds;
inline constexpr Duration kForever = Duration::max();  ///< "infinity"

/// An argument vector; element 0 is the program. Never passed through a shell.
using Command = std::vector<std::string>;

enum class ServiceType { kExec, kOneshot };
enum class Restart { kNo, kOnFailure, kOnAbnormal, kAlways, kUnlessStopped };
enum class KillMode { kJail, kProcess, kMixed };

/// [unit]
struct UnitTable {
    std::string description;
    std::vector<std::string> documentation;
    std::vector<std::string> requires_, wants, part_of, after, before, conflicts;
    std::uint32_t start_limit_burst = 5;
    Duration start_limit_interval = std::chrono::seconds(10);
};

/// [service]. Names and meanings follow systemd.service(5) where it has them.
struct ServiceTable {
    ServiceType type = ServiceType::kExec;
    Command exec_start;
    std::vector<Command> exec_start_pre, exec_start_post, exec_reload, exec_stop, exec_stop_post;
    Restart restart = Restart::kNo;
    Duration restart_delay = std::chrono::milliseconds(100);
    Duration restart_delay_max = std::chrono::seconds(30);    ///< the delay doubles up to this
    Duration restart_reset_after = std::chrono::seconds(10);  ///< up this long: delay starts anew
    Duration timeout_start = std::chrono::seconds(90);
    Duration timeout_stop = std::chrono::seconds(90);
    int kill_signal = 15;
    KillMode kill_mode = KillMode::kJail;
    bool remain_after_exit = false;
    std::vector<int> success_exit_status;  ///< exit codes besides 0
    std::vector<int> success_signals;      ///< signals besides TERM, INT, HUP, PIPE on stop
    std::string working_directory;         ///< in the jail; empty: /
    std::optional<int> nice;               ///< -20..19
    std::optional<int> oom_score_adjust;   ///< -1000..1000
};

/// [environment]
struct EnvironmentTable {
    std::map<std::string, std::string> set;
    std::vector<std::string> file;                   ///< root-owned files of NAME=VALUE lines
    std::map<std::string, std::string> stamps = {};  ///< of each file; see environment_files.hpp
    std::vector<std::string> pass = {};  ///< names taken over from the supervisor's own environment
};

/// [logging]
struct LoggingTable {
    enum class Sink { kLog, kNull };
    Sink stdout_ = Sink::kLog;
    Sink stderr_ = Sink::kLog;
};

/// [install]
struct InstallTable {
    std::vector<std::string> wanted_by;
};

/// What [jail] itself says; the tables below it belong to the plugins.
struct JailTable {
    std::string profile = "default";
    std::vector<std::string>
        optional;  ///< "plugin" or "plugin.key": may fail, then shows in status
};

/// One effective unit: profile, file, drop-ins and template arguments made into one.
struct Unit {
    std::string name;      ///< "web", "worker@3"; what commands take
    std::string instance;  ///< "3" of worker@3; else empty
    UnitTable unit;
    ServiceTable service;
    EnvironmentTable environment;
    LoggingTable logging;
    InstallTable install;
    JailTable jail;
    /// The whole effective unit as canonical TOML (sorted keys, specifiers expanded), [jail.*]
    /// included. This text is what the digest covers, and what `jailsvc show` prints.
    SharedText text;
    Digest digest{};
    std::vector<std::string> files;  ///< what it was made of, in order of rising priority
    /// A target groups others: it has no [service], starts and is done.
    bool is_target = false;

    void set_text(std::string_view whole) {
        text = SharedText(whole);
        digest = digest_of(whole);
    }
};

}  // namespace jailsvc::config
