#include <cstdio>

#include "base/signals.hpp"
#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

/// Prints what did not go well; done and queued units are silent, as init scripts are.
int show_outcomes(const Context& context, const Json& parameters) {
    if (context.json) print_json(parameters);
    int code = kOk;
    for (const auto& outcome : parameters.value("outcomes", Json::array())) {
        const std::string result = outcome.value("result", "");
        if (result == "done" || result == "queued") continue;
        // A failure weighs more than a name that is none.
        if (code != kFailure) code = result == "unknown" ? kNoSuchUnit : kFailure;
        if (context.json) continue;
        const std::string unit = printable(outcome.value("unit", "?"));
        const std::string message = printable(with_hint(unit, outcome.value("message", "")));
        // That a unit is unknown its message says.
        const std::string what = result == "unknown" ? "" : result + (message.empty() ? "" : ": ");
        std::fprintf(stderr, "jailsvc: %s: %s%s\n", unit.c_str(), what.c_str(), message.c_str());
    }
    return code;
}

}  // namespace

int run_action(const Context& context, const ActionOptions& options) {
    Json parameters{{"units", options.units}};
    if (options.method != "ResetFailed") parameters["no_block"] = options.no_block;
    const auto answer = ask(context, options.method, parameters);
    if (!answer) return report(context, answer.error());
    return show_outcomes(context, answer->reply.parameters);
}

int run_kill(const Context& context, const KillOptions& options) {
    const auto signal = parse_signal(options.signal);
    if (!signal) return report(context, {signal.error().message, kUsage});
    const auto answer =
        ask(context, "Kill", {{"units", options.units}, {"signal", *signal}, {"all", options.all}});
    if (!answer) return report(context, answer.error());
    return show_outcomes(context, answer->reply.parameters);
}

}  // namespace jailsvc::ctl
