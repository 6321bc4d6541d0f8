#pragma once

#include <string>
#include <vector>

#include "context.hpp"

/// One function per command; each returns the process's exit code.
namespace jailsvc::ctl {

struct ActionOptions {
    std::string method;  ///< "Start", "Stop", "Restart", "Reload", "ResetFailed"
    std::vector<std::string> units;
    bool no_block = false;
};
int run_action(const Context& context, const ActionOptions& options);

struct KillOptions {
    std::vector<std::string> units;
    std::string signal = "TERM";  ///< name with or without SIG, or number
    bool all = false;             ///< everything in the jail, not only the main process
};
int run_kill(const Context& context, const KillOptions& options);

struct StatusOptions {
    std::vector<std::string> units;  ///< empty: all
    std::string value;               ///< print only this field of each unit
    bool table = false;              ///< one line per unit even for named ones
};
int run_status(const Context& context, const StatusOptions& options);
int run_list_sockets(const Context& context);
int run_list_timers(const Context& context);

/// Prints what happens to these units, to all if none is named, until it is ended.
int run_events(const Context& context, const std::vector<std::string>& units);

struct DependenciesOptions {
    std::string unit;
    bool reverse = false;  ///< who needs or wants it
};
int run_list_dependencies(const Context& context, const DependenciesOptions& options);

struct GraphOptions {
    std::vector<std::string> units;  ///< empty: all
    bool svg = false;
};
int run_graph(const Context& context, const GraphOptions& options);
int run_why(const Context& context, const std::string& unit);

struct SetPropertyOptions {
    std::string unit;
    std::vector<std::string> assignments;  ///< "memory_max=512M"
};
int run_set_property(const Context& context, const SetPropertyOptions& options);

/// How `show` shows a unit.
struct ShowOptions {
    std::string unit;
    bool effective = false;  ///< also every default that holds
    std::string value;       ///< of the reply's fields this one alone ("digest"); empty: all of it
};
int run_show(const Context& context, const ShowOptions& options);
int run_plan(const Context& context, const std::string& unit);

struct LogsOptions {
    std::vector<std::string> units;
    bool follow = false;
    long lines = -1;           ///< newest N; -1: all
    std::string since, until;  ///< see log_time.hpp
    std::string grep;          ///< extended regular expression
    std::string stream;        ///< "stdout", "stderr"
};
int run_logs(const Context& context, const LogsOptions& options);

struct ExecOptions {
    std::string unit;
    std::vector<std::string> command;
};
int run_exec(const Context& context, const ExecOptions& options);

int run_daemon_reload(const Context& context);
int run_version(const Context& context);

struct ShutdownOptions {
    bool no_block = false;
    std::string timeout;  ///< "90s"; empty: as long as it takes
};
/// 0 when the supervisor has ended, with no_block when it has begun to.
int run_shutdown(const Context& context, const ShutdownOptions& options);

struct VerifyOptions {
    std::vector<std::string> files;
    bool strict = false;  ///< warnings make the exit code 1 too
};
int run_verify(const Context& context, const VerifyOptions& options);
int run_creds(const Context& context, const std::vector<std::string>& words);
int run_doctor(const Context& context);
int run_selftest(const Context& context, const std::string& profile);
/// "propose" what the unit was seen to need, or "forget" it.
int run_pledge(const Context& context, const std::string& what, const std::string& unit);
int run_explain(const Context& context, const std::string& key);

}  // namespace jailsvc::ctl
