// jailsvc: starts, stops and asks. Each command is a function of commands.hpp; here is only how
// they are called.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "commands.hpp"
#include "import.hpp"
#include "jobs.hpp"
#include "site.hpp"
#include "views.hpp"
#include "words.hpp"

namespace {

using namespace jailsvc::ctl;

constexpr const char* kFooter = R"(`jailsvc help COMMAND` says more.

Exit codes, as those of init scripts (LSB):
  0  done; status: all named units run
  1  failed, or nobody answers
  2  wrong usage
  3  status: a named unit does not run
  4  not permitted; status: a named unit is unknown or its file has errors
  5  no such unit
  6  the unit's file has errors
  7  the unit does not run
exec has the command's own, 126 and 127 as a shell has them, and 128 + N for signal N.

Every command but verify, explain, creds, doctor, selftest, pledge learn, version, enable, disable,
mask, unmask, is-enabled, preset and edit needs a running supervisor.
One that does not answer is told of after some seconds and given up after 90; `exec` waits on, since
its command may still run.)";

struct Options {
    Context context;
    ActionOptions action;
    KillOptions kill;
    SetPropertyOptions set_property;
    StatusOptions status;
    LogsOptions logs;
    ExecOptions exec;
    ShutdownOptions shutdown;
    std::string unit;
    std::string profile;
    ShowOptions show;
    DependenciesOptions dependencies;
    GraphOptions graph;
    std::string key;
    VerifyOptions verify;
    std::vector<std::string> words;
    int exit_code = kOk;
};

void add_places(CLI::App& app, Options& options) {
    app.add_option("--socket", options.context.socket, "the supervisor's control socket");
    app.add_option("--state", options.context.state, "the supervisor's --state directory");
    app.add_option("--config", options.context.config,
                   "a --config directory, for verify and what writes unit files");
    app.add_flag("--json", options.context.json, "print JSON");
}

/// `jailsvc help COMMAND`.
void add_help(CLI::App& app, Options& options) {
    CLI::App* help = app.add_subcommand("help", "Explain a command");
    help->add_option("command", options.words, "as in `jailsvc help pledge learn`");
    help->callback([&app, &options] {
        const CLI::App* about = &app;
        std::string name = "jailsvc";
        for (const std::string& word : options.words) {
            const auto found = about->get_subcommands(
                [&](const CLI::App* each) { return each->get_name() == word; });
            if (found.empty()) {
                options.exit_code =
                    report(options.context,
                           {"no command \"" + word + "\"; `jailsvc help` lists them", kUsage});
                return;
            }
            about = found.front();
            name += " " + word;
        }
        // Not help(): that is the help of the command which was called, this one.
        const auto mode = CLI::AppFormatMode::Normal;
        std::fputs(about->get_formatter()->make_help(about, name, mode).c_str(), stdout);
    });
}

void add_actions(CLI::App& app, Options& options) {
    const struct {
        const char* name;
        const char* method;
        const char* help;
    } actions[] = {
        {"start", "Start", "Start units and what they require"},
        {"stop", "Stop", "Stop units and what requires them"},
        {"restart", "Restart", "Stop and start units"},
        {"reload", "Reload", "Ask units to read their configuration again"},
        {"trigger", "Trigger", "Run units that wait for a time or for connections now"},
        {"reset-failed", "ResetFailed", "Forget failures and start limits of units"},
    };
    for (const auto& action : actions) {
        CLI::App* command = app.add_subcommand(action.name, action.help);
        command->add_option("unit", options.action.units)->required();
        command->add_flag("--no-block", options.action.no_block, "do not wait for the outcome");
        const std::string method = action.method;
        command->callback([&options, method] {
            options.action.method = method;
            options.exit_code = run_action(options.context, options.action);
        });
    }
    CLI::App* kill = app.add_subcommand("kill", "Send a signal to units");
    kill->add_option("unit", options.kill.units)->required();
    kill->add_option("-s,--signal", options.kill.signal, "name or number; default TERM");
    kill->add_flag("--all", options.kill.all, "everything in the jail, not the main process alone");
    kill->callback([&options] { options.exit_code = run_kill(options.context, options.kill); });
}

void add_set_property(CLI::App& app, Options& options) {
    CLI::App* set = app.add_subcommand(
        "set-property", "Change limits of a unit at once, and until the machine is started anew");
    set->add_option("unit", options.set_property.unit)->required();
    set->add_option("key=value", options.set_property.assignments,
                    "keys of [jail.cgroups]: memory_max=512M tasks_max=200 cpu_quota=50%")
        ->required();
    set->footer(
        "0 lifts memory_max, memory_high and tasks_max. A table is written as TOML has it:\n"
        "  jailsvc set-property web 'io_max={\"/dev/sda\" = \"rbps=10M\"}'\n"
        "All of them hold in the running unit when it returns, or none does. Exit code 2: there is "
        "no such\nkey, or the value is none of its kind; 1: it was refused, by the site's ceiling, "
        "the machine, or what\nthe unit uses already.");
    set->callback([&options] {
        options.exit_code = run_set_property(options.context, options.set_property);
    });
}

void add_questions(CLI::App& app, Options& options) {
    CLI::App* status =
        app.add_subcommand("status", "Show units; all of them, with exit code 0, if none is named");
    status->footer(
        "Exit codes: 0 all named units run (or none was named), 3 one does not, 4 one is unknown "
        "or has\nerrors in its file, or nobody answers.");
    status->add_option("unit", options.status.units);
    status->add_option("--value", options.status.value, "print this one field only (\"pid\")");
    status->add_flag("--table", options.status.table, "one line per unit");
    status->callback(
        [&options] { options.exit_code = run_status(options.context, options.status); });
    CLI::App* list = app.add_subcommand("list", "Show all units, one line each");
    list->callback([&options] { options.exit_code = run_status(options.context, {}); });

    app.add_subcommand("list-sockets", "Show what units listen on, or would")->callback([&options] {
        options.exit_code = run_list_sockets(options.context);
    });

    app.add_subcommand("list-timers", "Show when units run next, and ran last")
        ->callback([&options] { options.exit_code = run_list_timers(options.context); });

    CLI::App* show = app.add_subcommand("show", "Print a unit as it is in effect");
    show->add_option("unit", options.show.unit)->required();
    show->add_flag("--effective", options.show.effective, "also every default that holds");
    show->add_option("--value", options.show.value,
                     "print this one field only: text, digest, files");
    show->callback([&options] { options.exit_code = run_show(options.context, options.show); });
    CLI::App* plan = app.add_subcommand("plan", "Print the operations that make a unit's jail");
    plan->add_option("unit", options.unit)->required();
    plan->callback([&options] { options.exit_code = run_plan(options.context, options.unit); });
}

void add_relations(CLI::App& app, Options& options) {
    CLI::App* why = app.add_subcommand("why", "Say what keeps a unit from running");
    why->add_option("unit", options.unit)->required();
    why->callback([&options] { options.exit_code = run_why(options.context, options.unit); });
    CLI::App* tree = app.add_subcommand("list-dependencies", "Show what a unit needs, as a tree");
    tree->add_option("unit", options.dependencies.unit, "default: the units of the start")
        ->default_val("default");
    tree->add_flag("--reverse", options.dependencies.reverse, "who needs it instead");
    tree->callback([&options] {
        options.exit_code = run_list_dependencies(options.context, options.dependencies);
    });
    CLI::App* graph =
        app.add_subcommand("graph", "Print units and what they say of each other for graphviz");
    graph->add_option("unit", options.graph.units, "these and what they lead to; all if left out");
    graph->add_flag("--svg", options.graph.svg, "as a picture, by way of graphviz");
    graph->callback([&options] { options.exit_code = run_graph(options.context, options.graph); });
    CLI::App* events = app.add_subcommand(
        "events", "Print what happens to units as it happens; with --json one object a line");
    events->add_option("unit", options.words);
    events->callback(
        [&options] { options.exit_code = run_events(options.context, options.words); });
}

void add_logs(CLI::App& app, Options& options) {
    CLI::App* logs = app.add_subcommand("logs", "Print what units wrote, in order of time");
    logs->add_option("unit,-u,--unit", options.logs.units, "one or several");
    logs->add_flag("-f,--follow", options.logs.follow, "go on with what is written from now on");
    logs->add_option("-n,--lines", options.logs.lines, "only the newest N lines")
        ->check([](const std::string& text) {
            const bool digits = !text.empty() && text.size() < 19 &&
                                text.find_first_not_of("0123456789") == std::string::npos;
            return digits ? std::string() : "\"" + text + "\" is no number of lines";
        });
    logs->add_option("--since", options.logs.since,
                     "from \"10min\" ago on, \"today\", or \"2026-01-31 12:00\" (UTC)");
    logs->add_option("--until", options.logs.until, "up to this time, likewise");
    logs->add_option("--grep", options.logs.grep, "lines that match, see regex(7)");
    logs->add_option("--stream", options.logs.stream,
                     "only \"stdout\" or \"stderr\", of units that tell them apart");
    logs->callback([&options] { options.exit_code = run_logs(options.context, options.logs); });
}

void add_exec(CLI::App& app, Options& options) {
    CLI::App* exec = app.add_subcommand("exec", "Run a command in the jail of a running unit");
    exec->add_option("unit", options.exec.unit)->required();
    exec->add_option("command", options.exec.command)->required();
    exec->positionals_at_end(true);
    exec->footer(
        "Where standard input and output are both a terminal, the command gets a terminal of its "
        "own, and\nwhat is typed and shown is relayed; otherwise it has the three descriptors as "
        "they are.");
    exec->callback([&options] {
        // CLI11 leaves a separator that follows the first positional among the values.
        auto& command = options.exec.command;
        if (command.front() == "--") command.erase(command.begin());
        unmark_words(command);
        if (command.empty()) throw CLI::RequiredError("command");
        options.exit_code = run_exec(options.context, options.exec);
    });
}

void add_daemon_reload(CLI::App& app, Options& options) {
    app.add_subcommand("daemon-reload", "Read the unit files again")->callback([&options] {
        options.exit_code = run_daemon_reload(options.context);
    });
}

/// What looks at unit files alone.
void add_checks(CLI::App& app, Options& options) {
    CLI::App* verify = app.add_subcommand(
        "verify", "Check unit files; exit code 1 if there are errors, 0 for warnings alone");
    verify->add_option("file", options.verify.files)->required();
    verify->add_flag("--strict", options.verify.strict, "exit code 1 for warnings too");
    verify->callback(
        [&options] { options.exit_code = run_verify(options.context, options.verify); });
    CLI::App* explain = app.add_subcommand("explain", "Say what a key of a unit file means");
    explain->add_option("key", options.key,
                        "\"service.restart\", or its end, \"restart\"; all tables if left out");
    explain->callback(
        [&options] { options.exit_code = run_explain(options.context, options.key); });
}

void add_pledge(CLI::App& app, Options& options) {
    CLI::App* pledge = app.add_subcommand("pledge", "Find out which promises a unit needs");
    pledge->require_subcommand(1);
    const struct {
        const char* name;
        const char* what;
        const char* help;
    } lessons[] = {
        {"learn", "propose",
         "Print the promises and paths that a unit with on_violation = \"log\" was seen to use"},
        {"forget", "forget", "Drop what was learned of a unit"},
    };
    for (const auto& lesson : lessons) {
        CLI::App* command = pledge->add_subcommand(lesson.name, lesson.help);
        command->add_option("unit", options.unit)->required();
        const std::string what = lesson.what;
        command->callback([&options, what] {
            options.exit_code = run_pledge(options.context, what, options.unit);
        });
    }
}

/// What is about the machine: its secrets, and how well its jails hold.
void add_machine(CLI::App& app, Options& options) {
    CLI::App* creds = app.add_subcommand(
        "creds",
        "Credentials: encrypt NAME [INPUT [OUTPUT]], decrypt [INPUT [OUTPUT]], list "
        "[UNIT...]");
    creds->add_option("words", options.words)->required();
    creds->callback([&options] { options.exit_code = run_creds(options.context, options.words); });
    app.add_subcommand("doctor", "Try what jails need of this machine; 1 if something fails")
        ->callback([&options] { options.exit_code = run_doctor(options.context); });
    CLI::App* selftest = app.add_subcommand(
        "selftest",
        "Try known ways out of a jail under each shipped profile, as root; 1 if one works");
    selftest->add_option("--profile", options.profile, "under this one only");
    selftest->callback(
        [&options] { options.exit_code = run_selftest(options.context, options.profile); });
}

/// What is about the supervisor as a whole.
void add_whole(CLI::App& app, Options& options) {
    app.add_subcommand("version", "Print versions")->callback([&options] {
        options.exit_code = run_version(options.context);
    });
    CLI::App* shutdown = app.add_subcommand(
        "shutdown", "Stop all units and end the supervisor; exit code 0 when it has ended");
    shutdown->add_flag("--no-block", options.shutdown.no_block, "do not wait for its end");
    shutdown
        ->add_option("--timeout", options.shutdown.timeout,
                     "wait no longer than \"90s\": then exit code 1, and it goes on ending")
        ->check([](const std::string& text) {
            return text.empty() ? std::string("empty; write \"90s\" or \"2min\"") : std::string();
        });
    shutdown->callback(
        [&options] { options.exit_code = run_shutdown(options.context, options.shutdown); });
}

/// --json before the arguments are understood, for errors in them.
bool wants_json(int argc, char** argv) {
    for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
        if (std::string_view(argv[i]) == "--json") return true;
    }
    return false;
}

/// CLI11 says of an unknown command only that one is missing.
std::string explain_usage(const CLI::App& app, const CLI::ParseError& error) {
    const auto unknown = app.remaining();
    const bool no_command = app.get_subcommands().empty() && !unknown.empty();
    if (no_command) return "no command \"" + unknown.front() + "\"; `jailsvc --help` lists them";
    return std::string(error.what()) + "; `jailsvc --help` says more";
}

/// The exit code, unless what was said could not be written.
int written(const Context& context, int code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    return report(
        context, jailsvc::Error{std::string("standard output: ") + std::strerror(errno), kFailure});
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    options.context.colour = ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    CLI::App app("Starts, stops and shows services, each in its own jail.", "jailsvc");
    app.require_subcommand(1);
    app.set_version_flag("--version", "jailsvc " JAILSVC_VERSION, "Print the client's version");
    app.fallthrough();  // --json and --state may stand behind the command too
    add_places(app, options);
    add_help(app, options);
    add_actions(app, options);
    add_set_property(app, options);
    add_questions(app, options);
    add_relations(app, options);
    add_logs(app, options);
    add_exec(app, options);
    add_daemon_reload(app, options);
    add_checks(app, options);
    add_pledge(app, options);
    add_machine(app, options);
    add_whole(app, options);
    add_import(app, options.context, options.exit_code);
    add_jobs(app, options.context, options.exit_code);
    add_views(app, options.context, options.exit_code);
    add_site(app, options.context, options.exit_code);
    app.footer(kFooter);  // of the whole; commands added after it would have it too
    try {
        std::vector<std::string> words = marked_words(argc, argv);
        std::vector<char*> pointers;
        for (std::string& word : words) pointers.push_back(word.data());
        app.parse(argc, pointers.data());
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);  // --help
        options.context.json = wants_json(argc, argv);
        return report(options.context, {explain_usage(app, error), kUsage});
    }
    return written(options.context, options.exit_code);
}
