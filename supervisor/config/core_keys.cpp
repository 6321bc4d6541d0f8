#include "config/core_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <utility>

#include "base/signals.hpp"
#include "config/checks.hpp"
#include "config/quantity.hpp"

// The table of the core's keys. The type of a key follows from the member it is stored in, its
// default from the member's initialiser in unit.hpp; nothing about a key is written twice.
namespace jailsvc::config {
namespace {

template <typename Enum, std::size_t Size>
using Names = std::array<std::pair<std::string_view, Enum>, Size>;

constexpr Names<ServiceType, 2> names_of(ServiceType) {
    return {{{"exec", ServiceType::kExec}, {"oneshot", ServiceType::kOneshot}}};
}
constexpr Names<Restart, 5> names_of(Restart) {
    return {{{"no", Restart::kNo},
             {"on-failure", Restart::kOnFailure},
             {"on-abnormal", Restart::kOnAbnormal},
             {"always", Restart::kAlways},
             {"unless-stopped", Restart::kUnlessStopped}}};
}
constexpr Names<KillMode, 3> names_of(KillMode) {
    return {
        {{"jail", KillMode::kJail}, {"process", KillMode::kProcess}, {"mixed", KillMode::kMixed}}};
}

template <typename T>
concept Named = requires(T value) { names_of(value); };

std::vector<std::string> strings(const TextList& list) {
    std::vector<std::string> out;
    out.reserve(list.size());
    for (const Text& one : list) out.push_back(one.text);
    return out;
}

// For each type of member: the key's type, how a checked value is stored, how a default is written.
template <typename T>
struct Member;

template <Named T>
struct Member<T> {
    static constexpr KeyType kType = KeyType::kString;
    static void store(const Value& value, T& out) {
        for (const auto& [name, meaning] : names_of(T{})) {
            if (name == std::get<Text>(value.data).text) out = meaning;
        }
    }
    static std::string show(T fallback) {
        for (const auto& [name, meaning] : names_of(T{})) {
            if (meaning == fallback) return fmt::format("\"{}\"", name);
        }
        return {};
    }
};

template <>
struct Member<bool> {
    static constexpr KeyType kType = KeyType::kBool;
    static void store(const Value& value, bool& out) { out = std::get<bool>(value.data); }
    static std::string show(bool fallback) { return fallback ? "true" : "false"; }
};

template <>
struct Member<std::string> {
    static constexpr KeyType kType = KeyType::kString;
    static void store(const Value& value, std::string& out) {
        out = std::get<Text>(value.data).text;
    }
    static std::string show(const std::string& fallback) {
        return fallback.empty() ? std::string() : fmt::format("\"{}\"", fallback);
    }
};

/// Also Command, which is the same type and differs only in its checks.
template <>
struct Member<List<std::string>> {
    static constexpr KeyType kType = KeyType::kStringList;
    static void store(const Value& value, List<std::string>& out) {
        out = strings(std::get<TextList>(value.data));
    }
    static std::string show(const List<std::string>&) { return {}; }
};

template <>
struct Member<List<Command>> {
    static constexpr KeyType kType = KeyType::kCommands;
    static void store(const Value& value, List<Command>& out) {
        std::vector<Command> commands;
        for (const auto& one : std::get<std::vector<TextList>>(value.data)) {
            commands.emplace_back(strings(one));
        }
        out = std::move(commands);
    }
    static std::string show(const List<Command>&) { return {}; }
};

template <>
struct Member<std::map<std::string, std::string>> {
    static constexpr KeyType kType = KeyType::kStringMap;
    static void store(const Value& value, std::map<std::string, std::string>& out) {
        out.clear();
        for (const auto& [name, text] : std::get<TextMap>(value.data)) out[name] = text.text;
    }
    static std::string show(const std::map<std::string, std::string>&) { return {}; }
};

template <>
struct Member<Duration> {
    static constexpr KeyType kType = KeyType::kDuration;
    static void store(const Value& value, Duration& out) {
        out = parse_duration(std::get<Text>(value.data).text).value_or(out);
    }
    static std::string show(Duration fallback) {
        return fmt::format("\"{}\"", format_duration(fallback));
    }
};

template <>
struct Member<std::uint32_t> {
    static constexpr KeyType kType = KeyType::kInteger;
    static void store(const Value& value, std::uint32_t& out) {
        out = static_cast<std::uint32_t>(std::get<std::int64_t>(value.data));
    }
    static std::string show(std::uint32_t fallback) { return fmt::format("{}", fallback); }
};

template <>
struct Member<std::uint64_t> {
    static constexpr KeyType kType = KeyType::kBytes;
    static void store(const Value& value, std::uint64_t& out) {
        out = parse_bytes(std::get<Text>(value.data).text).value_or(out);
    }
    static std::string show(std::uint64_t fallback) {
        return fmt::format("\"{}\"", format_bytes(fallback));
    }
};

template <>
struct Member<std::optional<int>> {
    static constexpr KeyType kType = KeyType::kInteger;
    static void store(const Value& value, std::optional<int>& out) {
        out = static_cast<int>(std::get<std::int64_t>(value.data));
    }
    static std::string show(const std::optional<int>&) { return {}; }
};

template <>
struct Member<List<int>> {
    static constexpr KeyType kType = KeyType::kIntegerList;
    static void store(const Value& value, List<int>& out) {
        std::vector<int> numbers;
        for (const auto one : std::get<IntegerList>(value.data)) {
            numbers.push_back(static_cast<int>(one));
        }
        out = std::move(numbers);
    }
    static std::string show(const List<int>&) { return {}; }
};

template <typename Group>
Group& to_change(Group& group) {
    return group;
}
template <typename Group>
Group& to_change(Rarely<Group>& group) {
    return group.make();
}

/// Makes the rows of one table, which the unit has as a Held.
template <typename Group, typename Held = Group>
struct Rows {
    const char* table;
    Held Unit::* group;

    template <typename Base, typename T>
        requires std::derived_from<Group, Base>
    CoreKey operator()(const char* name, T Base::* member, const char* doc,
                       Check check = {}) const {
        CoreKey row{.table = table,
                    .key = {.name = name,
                            .type = Member<T>::kType,
                            .fallback = Member<T>::show(Group{}.*member),
                            .doc = doc,
                            .choices = {}},
                    .check = std::move(check),
                    .store = {}};
        row.store = [group_ = group, member](const Value& value, Unit& unit) {
            Member<T>::store(value, to_change(unit.*group_).*member);
        };
        if constexpr (Named<T>) {
            for (const auto& choice : names_of(T{})) row.key.choices.emplace_back(choice.first);
        }
        return row;
    }
};

constexpr Rows<UnitTable> unit{"unit", &Unit::unit};
constexpr Rows<ServiceTable> service{"service", &Unit::service};
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
        service("type", &S::type, "exec: up when executed; oneshot: up when it has ended well."),
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
    for (auto& row : service_keys()) all.push_back(std::move(row));
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
