#include "jobs.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "base/clock.hpp"
#include "commands.hpp"
#include "outcomes.hpp"
#include "run.hpp"
#include "text.hpp"
#include "words.hpp"

namespace jailsvc::ctl {
namespace {

struct Options {
    RunOptions run;
    ActionOptions action;
    LogsOptions logs;
    std::vector<std::string> units;
};

/// How a job has ended, or where it is.
std::string state_of(const Json& job) {
    const std::string state = printable(job.value("state", "?"));
    const Json exit = job.value("exit", Json());
    if (!job.value("over", false) || !exit.is_object()) return state;
    const bool exited = exit.value("kind", "") == "exited";
    return fmt::format("{} ({} {})", state, exited ? "exit code" : exit.value("kind", ""),
                       exit.value("code", 0));
}

/// "3min 5s"; "-" where the field is no number.
std::string span_of(const Json& job, const char* field) {
    const Json span = job.value(field, Json());
    return span.is_number() ? human_duration(span.get<std::uint64_t>()) : "-";
}

/// How long ago it has come to its state.
std::string ago(const Json& job) {
    const Json since = job.value("since", Json());
    if (!since.is_number()) return "-";
    const std::uint64_t now = realtime_ns() / 1000;
    const auto at = since.get<std::uint64_t>();
    return human_duration(now > at ? now - at : 0) + " ago";
}

void show_jobs(const Json& jobs) {
    std::vector<std::vector<std::string>> rows{{"JOB", "STATE", "SINCE", "DURATION", "COMMAND"}};
    for (const Json& job : jobs) {
        std::string command = printable(job.value("description", ""));
        if (job.value("output_dropped", std::uint64_t{0}) > 0) command += " [output truncated]";
        rows.push_back({printable(job.value("unit", "?")), state_of(job), ago(job),
                        span_of(job, "duration"), command});
    }
    std::fputs(table(rows).c_str(), stdout);
}

int list_jobs(const Context& context) {
    const auto answer = ask(context, "ListJobs", Json::object());
    if (!answer) return report(context, answer.error());
    if (context.json) {
        print_json(answer->reply.parameters);
    } else {
        show_jobs(answer->reply.parameters.value("jobs", Json::array()));
    }
    return kOk;
}

int remove_jobs(const Context& context, const std::vector<std::string>& units) {
    const auto answer = ask(context, "RemoveJobs", {{"units", units}});
    if (!answer) return report(context, answer.error());
    if (context.json) {
        print_json(answer->reply.parameters);
    } else {
        show_outcomes(answer->reply.parameters);
    }
    return code_of_outcomes(answer->reply.parameters);
}

void add_run(CLI::App& app, const std::shared_ptr<Options>& options, const Context& context,
             int& exit_code) {
    CLI::App* run = app.add_subcommand("run", "Run a command as a job, in a jail of its own");
    RunOptions& to = options->run;
    run->add_option("--name", to.name, "the job's name; else one is drawn");
    run->add_option("--profile", to.profile, "of its jail, as \"untrusted\"");
    run->add_option("--env", to.environment, "NAME=VALUE")->allow_extra_args(false);
    run->add_option("--property", to.properties,
                    "TABLE.KEY=VALUE of the unit file, as jail.cgroups.memory_max=64M")
        ->allow_extra_args(false);
    run->add_option("--timer", to.timer, "KEY=VALUE of [timer], as \"on_calendar=daily\"")
        ->allow_extra_args(false);
    run->add_option("--on-active", to.on_active, "run it in \"5min\"");
    run->add_option("--on-calendar", to.on_calendar, "run it at \"Mon 08:00\"");
    run->add_option("--every", to.every, "run it again and again");
    run->add_option("--output-cap", to.output_cap,
                    "bytes that a run may write, \"0\": any; default 2000000");
    run->add_option("--keep", to.keep, "its result and log after its end; default \"1h\"");
    run->add_flag("--wait", to.wait, "show its output, and end as it does");
    run->add_flag("-i,--stdin", to.stdin_, "our standard input is the job's");
    run->add_flag("-t,--tty", to.tty, "the job has a terminal, relayed to ours; implies --wait");
    run->add_option("command", to.command)->required();
    run->positionals_at_end(true);
    run->footer(
        "Prints the job's name. With --wait the exit code is the command's, 128 + N for signal N, "
        "or "
        "125 where\nit was not executed; what ends only us leaves the job running. See "
        "`jailsvc job`.");
    run->callback([options, &context, &exit_code] {
        auto& command = options->run.command;
        if (command.front() == "--") command.erase(command.begin());
        unmark_words(command);
        if (command.empty()) throw CLI::RequiredError("command");
        exit_code = run_job(context, options->run);
    });
}

}  // namespace

void add_jobs(CLI::App& app, const Context& context, int& exit_code) {
    const auto options = std::make_shared<Options>();
    add_run(app, options, context, exit_code);
    CLI::App* job = app.add_subcommand("job", "Jobs that `jailsvc run` has made");
    job->require_subcommand(1);
    job->add_subcommand("list", "Show jobs, those that are over too")
        ->callback([&context, &exit_code] { exit_code = list_jobs(context); });
    CLI::App* log = job->add_subcommand("log", "Print what a job wrote");
    log->add_option("job", options->logs.units)->required();
    log->add_flag("-f,--follow", options->logs.follow, "go on with what is written from now on");
    log->callback(
        [options, &context, &exit_code] { exit_code = run_logs(context, options->logs); });
    CLI::App* stop = job->add_subcommand("stop", "End jobs");
    stop->add_option("job", options->action.units)->required();
    stop->callback([options, &context, &exit_code] {
        options->action.method = "Stop";
        exit_code = run_action(context, options->action);
    });
    CLI::App* remove = job->add_subcommand("remove", "Forget jobs that are over, and their logs");
    remove->add_option("job", options->units)->required();
    remove->callback(
        [options, &context, &exit_code] { exit_code = remove_jobs(context, options->units); });
}

}  // namespace jailsvc::ctl
