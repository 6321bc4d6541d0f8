#include <fmt/format.h>

#include <cstdio>

#include "base/signals.hpp"
#include "commands.hpp"
#include "outcomes.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

bool went_well(const Json& outcome) {
    const std::string result = outcome.value("result", "");
    return result == "done" || result == "queued";
}

int show(const Context& context, const Json& parameters) {
    if (context.json) {
        print_json(parameters);
    } else {
        show_outcomes(parameters);
    }
    return code_of_outcomes(parameters);
}

}  // namespace

int code_of_outcomes(const Json& parameters) {
    int code = kOk;
    for (const auto& outcome : parameters.value("outcomes", Json::array())) {
        // A failure weighs more than a name that is none.
        if (went_well(outcome) || code == kFailure) continue;
        code = outcome.value("result", "") == "unknown" ? kNoSuchUnit : kFailure;
    }
    return code;
}

void show_outcomes(const Json& parameters) {
    for (const auto& outcome : parameters.value("outcomes", Json::array())) {
        const std::string result = outcome.value("result", "");
        const std::string unit = printable(outcome.value("unit", "?"));
        const std::string message = printable_lines(with_hint(unit, outcome.value("message", "")));
        if (went_well(outcome)) {  // and is another thing than was asked for: skipped
            if (!message.empty()) {
                std::fprintf(stderr, "jailsvc: %s: %s\n", unit.c_str(), message.c_str());
            }
            continue;
        }
        // That a unit is unknown its message says.
        const std::string what = result == "unknown" ? "" : result + (message.empty() ? "" : ": ");
        std::fprintf(stderr, "jailsvc: %s: %s%s\n", unit.c_str(), what.c_str(), message.c_str());
    }
}

int run_action(const Context& context, const ActionOptions& options) {
    Json parameters{{"units", options.units}};
    if (options.method != "ResetFailed") parameters["no_block"] = options.no_block;
    const auto answer = ask(context, options.method, parameters);
    if (!answer) return report(context, answer.error());
    return show(context, answer->reply.parameters);
}

int run_kill(const Context& context, const KillOptions& options) {
    const auto signal = parse_signal(options.signal);
    if (!signal) return report(context, {signal.error().message, kUsage});
    const auto answer =
        ask(context, "Kill", {{"units", options.units}, {"signal", *signal}, {"all", options.all}});
    if (!answer) return report(context, answer.error());
    return show(context, answer->reply.parameters);
}

int run_set_property(const Context& context, const SetPropertyOptions& options) {
    Json properties = Json::object();
    for (const std::string& assignment : options.assignments) {
        const std::size_t equals = assignment.find('=');
        if (equals == 0 || equals == std::string::npos) {
            return report(context, {fmt::format("\"{}\" sets nothing; write KEY=VALUE, such as "
                                                "memory_max=512M",
                                                assignment),
                                    kUsage});
        }
        const std::string key = assignment.substr(0, equals);
        if (properties.contains(key)) {
            return report(context, {key + ": given twice; leave one out", kUsage});
        }
        properties[key] = assignment.substr(equals + 1);
    }
    const auto answer =
        ask(context, "SetProperty", {{"unit", options.unit}, {"properties", properties}});
    if (!answer) return report(context, answer.error());
    if (context.json) print_json(answer->reply.parameters);
    return kOk;
}

}  // namespace jailsvc::ctl
