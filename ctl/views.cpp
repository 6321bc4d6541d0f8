#include "views.hpp"

#include <memory>

#include "analyze.hpp"
#include "freeze.hpp"
#include "processes.hpp"

namespace jailsvc::ctl {
namespace {

struct Options {
    AnalyzeOptions analyze;
    ProcessOptions ps;
    TopOptions top;
    std::vector<std::string> held;
};

}  // namespace

void add_views(CLI::App& app, const Context& context, int& exit_code) {
    const auto options = std::make_shared<Options>();
    CLI::App* analyze = app.add_subcommand(
        "analyze", "Say how exposed units are, by their plans and by what the kernel enforces");
    analyze->add_option("unit", options->analyze.units, "in detail; none: a table of all");
    analyze->add_option("--max", options->analyze.most,
                        "exit code 1 if one is more exposed than this, 0 to 10");
    analyze->callback(
        [options, &context, &exit_code] { exit_code = run_analyze(context, options->analyze); });
    for (const bool on : {true, false}) {
        CLI::App* hold =
            on ? app.add_subcommand("freeze", "Hold all processes of units where they are")
               : app.add_subcommand("thaw", "Let the processes of frozen units go on");
        hold->add_option("unit", options->held)->required();
        hold->callback([options, on, &context, &exit_code] {
            exit_code = run_freeze(context, options->held, on);
        });
    }
    CLI::App* ps = app.add_subcommand("ps", "Show the processes of units as trees");
    ps->add_option("unit", options->ps.units, "none: all that run");
    ps->callback([options, &context, &exit_code] { exit_code = run_ps(context, options->ps); });
    CLI::App* top = app.add_subcommand("top", "Show again and again which units use most");
    top->add_option("-n,--rounds", options->top.rounds, "end after so many tables")
        ->check(CLI::Range(1, 1'000'000));
    top->add_option("-d,--delay", options->top.every, "seconds between them; 2")
        ->check(CLI::Range(0.1, 3600.0));
    top->callback([options, &context, &exit_code] { exit_code = run_top(context, options->top); });
}

}  // namespace jailsvc::ctl
