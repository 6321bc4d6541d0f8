#include <fmt/format.h>

#include <cstdio>

#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {

int run_show(const Context& context, const ShowOptions& options) {
    if (context.json && !options.value.empty()) {
        return report(context, {"--json and --value exclude each other", kUsage});
    }
    const auto answer =
        ask(context, "Show", {{"unit", options.unit}, {"effective", options.effective}});
    if (!answer) return report(context, answer.error());
    const Json& shown = answer->reply.parameters;
    if (!options.value.empty()) {
        const auto printed = print_value(shown, options.value);
        return printed ? kOk : report(context, printed.error());
    }
    if (context.json) {
        print_json(shown);
        return kOk;
    }
    for (const auto& file : shown.value("files", Json::array())) {
        if (file.is_string()) std::printf("# from %s\n", file.get<std::string>().c_str());
    }
    std::printf("# digest %s\n%s\n", shown.value("digest", "").c_str(),
                shown.value("text", "").c_str());
    return kOk;
}

int run_plan(const Context& context, const std::string& unit) {
    const auto answer = ask(context, "Plan", {{"unit", unit}});
    if (!answer) return report(context, answer.error());
    const Json plan = answer->reply.parameters.value("plan", Json::object());
    if (context.json) {
        print_json(plan);
        return kOk;
    }
    for (const auto& op : plan.value("operations", Json::array())) {
        std::printf("%s\n", printable(op.value("line", "")).c_str());
    }
    for (const auto& socket : plan.value("sockets", Json::array())) {
        if (socket.is_string()) std::printf("%s\n", printable(socket.get<std::string>()).c_str());
    }
    return kOk;
}

}  // namespace jailsvc::ctl
