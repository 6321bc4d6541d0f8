#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>

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
        code = kFailure;
        if (context.json) continue;
        const std::string unit = printable(outcome.value("unit", "?"));
        const std::string message = printable(with_hint(unit, outcome.value("message", "")));
        std::fprintf(stderr, "jailsvc: %s: %s%s%s\n", unit.c_str(), result.c_str(),
                     message.empty() ? "" : ": ", message.c_str());
    }
    return code;
}

/// "TERM", "SIGTERM" or "15".
Result<int> parse_signal(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (whole && number > 0 && number <= SIGRTMAX) return number;
    if (text.starts_with("SIG")) text.remove_prefix(3);
    for (int signal = 1; signal < NSIG; ++signal) {
        const char* name = ::sigabbrev_np(signal);
        if (name != nullptr && text == name) return signal;
    }
    return fail(fmt::format("unknown signal \"{}\"; `kill -l` lists them", text), kUsage);
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
    if (!signal) return report(context, signal.error());
    const auto answer =
        ask(context, "Kill", {{"units", options.units}, {"signal", *signal}, {"all", options.all}});
    if (!answer) return report(context, answer.error());
    return show_outcomes(context, answer->reply.parameters);
}

}  // namespace jailsvc::ctl
