#include "config/core_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/checks.hpp"
#include "config/condition_keys.hpp"
#include "config/core_rows.hpp"
#include "config/service_keys.hpp"
#include "config/health_keys.hpp"
#include "config/job_keys.hpp"
#include "config/socket_keys.hpp"
#include "config/timer_keys.hpp"

// The table of the core's keys. The type of a key follows from the member it is stored in, its
// default from the member's initialiser in unit.hpp; nothing about a key is written twice.
namespace jailsvc::config {

namespace {

constexpr Rows<UnitTable> unit{"unit", &Unit::unit};
constexpr Rows<EnvironmentTable, Rarely<EnvironmentTable>> environment{"environment",
                                                                       &Unit::environment};
constexpr Rows<LoggingTable, Rarely<LoggingTable>> logging{"logging", &Unit::logging};
constexpr Rows<InstallTable> install{"install", &Unit::install};
constexpr Rows<JailTable> jail{"jail", &Unit::jail};

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
        install("alias", &InstallTable::alias,
                "Other names of the unit, for commands and for what other units say of it, whether "
                "it is enabled or not. None may be a unit's name, or another's alias.",
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
        logging("output_cap", &L::output_cap,
                "What one run writes beyond so many bytes is dropped; the log and status say so. "
                "0: no such limit."),
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
    for (auto& row : job_keys()) all.push_back(std::move(row));
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
