// [Service], what is run and how.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/signals.hpp"
#include "import/command_line.hpp"
#include "import/directive.hpp"

namespace jailsvc::import {
namespace {

Verdict verdict_of(const std::vector<CommandLine>& commands) {
    std::string text;
    for (const CommandLine& command : commands) {
        for (const std::string& note : command.notes) text += (text.empty() ? "" : "; ") + note;
    }
    return text.empty() ? Verdict{} : noted(text);
}

Verdict take_commands(Place& place, const char* key) {
    const auto [table, name] = table_key(key);
    if (place.value().empty()) {
        place.draft.drop(table, name);
        return {};
    }
    const auto commands = parse_command_line(place.value());
    if (!commands) return left_out(commands.error().message);
    for (const CommandLine& command : *commands) place.draft.add_command(table, name, command.argv);
    return verdict_of(*commands);
}

/// One command is the service; of a oneshot those before the last run before it.
Verdict take_start(Place& place, const char*) {
    Draft& draft = place.draft;
    if (place.value().empty()) {
        draft.drop("service", "exec_start");
        return {};
    }
    const auto commands = parse_command_line(place.value());
    if (!commands) return left_out(commands.error().message);
    for (const CommandLine& command : *commands) {
        if (const auto* before = draft.document.find("service", "exec_start")) {
            std::vector<std::string> words;
            for (const auto& word : std::get<config::TextList>(before->data)) {
                words.push_back(word.text);
            }
            draft.add_command("service", "exec_start_pre", words);
        }
        draft.put_list("service", "exec_start", command.argv);
    }
    return verdict_of(*commands);
}

Verdict take_type(Place& place, const char*) {
    const std::string& type = place.value();
    for (const char* same : {"exec", "forking", "oneshot", "notify"}) {
        if (type == same) {
            place.draft.put("service", "type", type);
            return {};
        }
    }
    if (type == "simple" || type == "idle") {
        place.draft.put("service", "type", "exec");
        return noted("up once its program was executed, not merely begun");
    }
    if (type == "notify-reload") {
        place.draft.put("service", "type", "notify");
        return noted("reloads by exec_reload alone, not by a signal");
    }
    place.draft.put("service", "type", "exec");
    return noted("there is no such type here; up once its program was executed");
}

/// `key`: the words of theirs and ours, "control-group=jail process=process".
Verdict take_choice(Place& place, const char* key) {
    std::string_view rest = key;
    const auto word = [&rest] {
        const std::string_view first = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), first.size() + 1));
        return first;
    };
    const std::string ours(word());
    while (!rest.empty()) {
        const std::string_view pair = word();
        const std::size_t equals = pair.find('=');
        if (pair.substr(0, equals) != place.value()) continue;
        const auto [table, name] = table_key(ours.c_str());
        place.draft.put(table, name, std::string(pair.substr(equals + 1)));
        return {};
    }
    return left_out("there is no such choice here");
}

Verdict take_signal(Place& place, const char* key) {
    if (!parse_signal(place.value())) return left_out("no signal of that name");
    return take_text(place, key);
}

/// Codes, and signals by name.
Verdict take_success(Place& place, const char*) {
    const auto words = split_words(place.value());
    if (!words) return left_out(words.error().message);
    std::string unknown;
    for (const std::string& word : *words) {
        int code = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), code);
        if (error == std::errc() && end == word.data() + word.size() && code >= 1 && code <= 255) {
            place.draft.add_number("service", "success_exit_status", code);
        } else if (code == 0 && end == word.data() + word.size() && !word.empty()) {
            continue;  // is one anyway
        } else if (parse_signal(word)) {
            place.draft.add("service", "success_signals", word);
        } else {
            unknown += (unknown.empty() ? "" : " ") + word;
        }
    }
    return unknown.empty() ? Verdict{} : noted("without what has no number here: " + unknown);
}

Verdict take_timeouts(Place& place, const char*) {
    (void)take_duration(place, "service.timeout_start");
    return take_duration(place, "service.timeout_stop");
}

Verdict take_environment(Place& place, const char*) {
    if (place.value().empty()) {
        place.draft.drop("environment", "set");
        return {};
    }
    const auto text = with_our_specifiers(place.value());
    const auto words = text ? split_words(*text) : std::unexpected(text.error());
    if (!words) return left_out(words.error().message);
    for (const std::string& word : *words) {
        const std::size_t equals = word.find('=');
        if (equals == 0 || equals == std::string::npos) return left_out("no NAME=VALUE");
        place.draft.set_entry("environment", "set", word.substr(0, equals),
                              word.substr(equals + 1));
    }
    return {};
}

Verdict take_environment_file(Place& place, const char*) {
    std::string path = place.value();
    const bool optional = path.starts_with('-');
    if (optional) path.erase(0, 1);
    const auto ours = with_our_specifiers(path);
    if (!ours || !ours->starts_with('/')) return left_out("an absolute path is wanted");
    if (ours->find_first_of("*?[") != std::string::npos) {
        return left_out("patterns are not looked up here; name the files");
    }
    if (optional && ::access(ours->c_str(), F_OK) != 0) {
        return left_out("it is not there now, and a file that is missing is an error here");
    }
    place.draft.add("environment", "file", *ours);
    if (!optional) return {};
    return noted("has to stay there: a file that is missing is an error here");
}

/// Where output goes: what the journal gets there is in the unit's log here.
Verdict take_output(Place& place, const char* key) {
    const std::string& to = place.value();
    const auto [table, name] = table_key(key);
    if (to == "null") {
        place.draft.put(table, name, "null");
        return {};
    }
    for (const char* form : {"file:", "append:", "truncate:"}) {
        if (!to.starts_with(form)) continue;
        const auto path = with_our_specifiers(to.substr(std::string_view(form).size()));
        if (!path || !path->starts_with('/')) return left_out("an absolute path is wanted");
        place.draft.put(table, name, "file:" + *path);
        return to.starts_with("append:") ? Verdict{} : noted("it is appended to");
    }
    if (to.find("console") != std::string::npos) {
        place.draft.put(table, name, "log+console");
        return noted("to the unit's log and the console");
    }
    if (to == "tty" || to.starts_with("fd:") || to == "socket") {
        return left_out("there is no such output here; it is in the unit's log");
    }
    return noted("in the unit's log, `jailsvc logs`");
}

Verdict take_input(Place& place, const char*) {
    if (place.value() == "null") return {};
    if (place.value() == "socket") {
        place.draft.put_flag("socket", "stdio", true);
        return {};
    }
    return left_out("a service has no standard input here");
}

Verdict take_directory(Place& place, const char* key) {
    std::string text = place.value();
    if (text.starts_with('-')) text.erase(0, 1);
    if (!text.starts_with('/')) return left_out("an absolute path is wanted");
    const auto path = with_our_specifiers(text);
    if (!path) return left_out(path.error().message);
    const auto [table, name] = table_key(key);
    place.draft.put(table, name, *path);
    return place.value().starts_with('-') ? noted("must be there here") : Verdict{};
}

Verdict take_store(Place& place, const char* key) {
    constexpr std::int64_t kMost = 128;
    const Verdict verdict = take_number(place, key);
    const auto [table, name] = table_key(key);
    const auto* value = place.draft.document.find(table, name);
    if (verdict.outcome != Outcome::kTranslated || value == nullptr) return verdict;
    if (std::get<std::int64_t>(value->data) <= kMost) return {};
    place.draft.put_number(table, name, kMost);
    return noted(fmt::format("{} are the most here", kMost));
}

constexpr const char* kNoTerminal = "no unit has a terminal here";
constexpr const char* kNoScheduler = "scheduling beyond nice is not set here";

}  // namespace

const std::vector<Row>& service_rows() {
    static const std::vector<Row> kRows = {
        {"Service", "Type", take_type},
        {"Service", "ExecStart", take_start},
        {"Service", "ExecStartPre", take_commands, "service.exec_start_pre"},
        {"Service", "ExecStartPost", take_commands, "service.exec_start_post"},
        {"Service", "ExecReload", take_commands, "service.exec_reload"},
        {"Service", "ExecStop", take_commands, "service.exec_stop"},
        {"Service", "ExecStopPost", take_commands, "service.exec_stop_post"},
        {"Service", "ExecCondition", take_nothing, "exec_start_pre may fail the start instead"},
        {"Service", "Restart", take_choice,
         "service.restart no=no always=always on-success=on-success on-failure=on-failure "
         "on-abnormal=on-abnormal on-abort=on-abort on-watchdog=on-watchdog"},
        {"Service", "RestartSec", take_duration, "service.restart_delay"},
        {"Service", "RestartMaxDelaySec", take_duration, "service.restart_delay_max"},
        {"Service", "RestartSteps", take_nothing, "delays double up to restart_delay_max"},
        {"Service", "TimeoutStartSec", take_duration, "service.timeout_start"},
        {"Service", "TimeoutStopSec", take_duration, "service.timeout_stop"},
        {"Service", "TimeoutSec", take_timeouts},
        {"Service", "TimeoutAbortSec", take_nothing, "timeout_stop holds there too"},
        {"Service", "TimeoutStartFailureMode", take_nothing, "it is ended as by a stop"},
        {"Service", "TimeoutStopFailureMode", take_nothing, "what does not end is killed"},
        {"Service", "RuntimeMaxSec", take_nothing, "a run may last for ever"},
        {"Service", "StartLimitBurst", take_number, "unit.start_limit_burst"},
        {"Service", "StartLimitInterval", take_duration, "unit.start_limit_interval"},
        {"Service", "StartLimitIntervalSec", take_duration, "unit.start_limit_interval"},
        {"Service", "RemainAfterExit", take_bool, "service.remain_after_exit"},
        {"Service", "PIDFile", take_directory, "service.pid_file"},
        {"Service", "GuessMainPID", take_as_covered, "the one process that is left is the daemon"},
        {"Service", "SuccessExitStatus", take_success},
        {"Service", "RestartPreventExitStatus", take_nothing,
         "restart = \"on-failure\" restarts after every failure"},
        {"Service", "RestartForceExitStatus", take_nothing, "restart decides"},
        {"Service", "KillMode", take_choice,
         "service.kill_mode control-group=jail process=process mixed=mixed"},
        {"Service", "KillSignal", take_signal, "service.kill_signal"},
        {"Service", "WatchdogSec", take_duration, "service.watchdog"},
        {"Service", "WatchdogSignal", take_signal, "service.watchdog_signal"},
        {"Service", "RestartKillSignal", take_nothing, "kill_signal serves for both"},
        {"Service", "FinalKillSignal", take_nothing, "SIGKILL"},
        {"Service", "ReloadSignal", take_nothing, "exec_reload may send one"},
        {"Service", "SendSIGHUP", take_nothing, "one signal is sent"},
        {"Service", "SendSIGKILL", take_nothing, "what does not end is killed"},
        {"Service", "NotifyAccess", take_choice,
         "service.notify_access none=none main=main all=all exec=all"},
        {"Service", "FileDescriptorStoreMax", take_store, "service.file_descriptor_store_max"},
        {"Service", "FileDescriptorStorePreserve", take_nothing, "kept while the unit is up"},
        {"Service", "Sockets", take_nothing, "[socket] belongs to one unit"},
        {"Service", "BusName", take_nothing, "no message bus is asked"},
        {"Service", "USBFunctionDescriptors", take_nothing, "no USB functions here"},
        {"Service", "USBFunctionStrings", take_nothing, "no USB functions here"},
        {"Service", "RootDirectoryStartOnly", take_nothing, "all commands run in the jail"},
        {"Service", "NonBlocking", take_nothing, "a service sets that itself"},
        {"Service", "ExitType", take_nothing, "a service ends with its main process"},
        {"Service", "OOMPolicy", take_nothing, "[jail.cgroups] oom_group may serve"},
        {"Service", "OpenFile", take_nothing, "files are opened by the service"},
        {"Service", "PermissionsStartOnly", take_nothing, "all commands run as the user"},
        {"Service", "WorkingDirectory", take_directory, "service.working_directory"},
        {"Service", "Nice", take_number, "service.nice"},
        {"Service", "OOMScoreAdjust", take_number, "service.oom_score_adjust"},
        {"Service", "Environment", take_environment},
        {"Service", "EnvironmentFile", take_environment_file},
        {"Service", "PassEnvironment", take_words, "environment.pass"},
        {"Service", "UnsetEnvironment", take_as_covered, "the environment is clean"},
        {"Service", "StandardInput", take_input},
        {"Service", "StandardInputText", take_nothing, "a service has no standard input here"},
        {"Service", "StandardInputData", take_nothing, "a service has no standard input here"},
        {"Service", "StandardOutput", take_output, "logging.stdout"},
        {"Service", "StandardError", take_output, "logging.stderr"},
        {"Service", "SyslogIdentifier", take_nothing, "lines are told apart by unit"},
        {"Service", "SyslogFacility", take_nothing, "lines have the facility daemon"},
        {"Service", "SyslogLevel", take_nothing, "lines say their level by a prefix"},
        {"Service", "SyslogLevelPrefix", take_nothing, "prefixes are always read"},
        {"Service", "LogLevelMax", take_nothing, "all lines are kept"},
        {"Service", "LogExtraFields", take_nothing, "lines have the same fields"},
        {"Service", "LogNamespace", take_nothing, "each unit has a log of its own"},
        {"Service", "LogRateLimitIntervalSec", take_nothing, "[logging] rate_limit counts bytes"},
        {"Service", "LogRateLimitBurst", take_nothing, "[logging] rate_limit counts bytes"},
        {"Service", "FailureAction", take_nothing, "essential = true ends everything with it"},
        {"Service", "SuccessAction", take_nothing, "essential = true ends everything with it"},
        {"Service", "StartLimitAction", take_nothing, "on_failure may name a unit that does it"},
        {"Service", "RebootArgument", take_nothing, "no unit reboots the machine"},
        {"Service", "IgnoreSIGPIPE", take_nothing, "SIGPIPE ends a program as usual"},
        {"Service", "UtmpIdentifier", take_nothing, "no sessions are recorded here"},
        {"Service", "UtmpMode", take_nothing, "no sessions are recorded here"},
        {"Service", "PAMName", take_nothing, "no PAM session is opened here"},
        {"Service", "TTYPath", take_nothing, kNoTerminal},
        {"Service", "TTYReset", take_nothing, kNoTerminal},
        {"Service", "TTYVHangup", take_nothing, kNoTerminal},
        {"Service", "TTYVTDisallocate", take_nothing, kNoTerminal},
        {"Service", "TTYRows", take_nothing, kNoTerminal},
        {"Service", "TTYColumns", take_nothing, kNoTerminal},
        {"Service", "CPUSchedulingPolicy", take_nothing, kNoScheduler},
        {"Service", "CPUSchedulingPriority", take_nothing, kNoScheduler},
        {"Service", "CPUSchedulingResetOnFork", take_nothing, kNoScheduler},
        {"Service", "IOSchedulingClass", take_nothing, "[jail.cgroups] io_weight may serve"},
        {"Service", "IOSchedulingPriority", take_nothing, "[jail.cgroups] io_weight may serve"},
        {"Service", "TimerSlackNSec", take_nothing, kNoScheduler},
        {"Service", "CoredumpFilter", take_nothing, "limits.core = \"0\" is the default"},
    };
    return kRows;
}

}  // namespace jailsvc::import
