#include <fmt/format.h>

#include <cstdio>

#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {

int run_show(const Context& context, const std::string& unit) {
    const auto answer = ask(context, "Show", {{"unit", unit}});
    if (!answer) return report(answer.error());
    const Json& shown = answer->reply.parameters;
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
    if (!answer) return report(answer.error());
    const Json plan = answer->reply.parameters.value("plan", Json::object());
    if (context.json) {
        print_json(plan);
        return kOk;
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& op : plan.value("ops", Json::array())) {
        std::string details;
        for (const auto& [key, value] : op.items()) {
            if (key == "stage" || key == "kind" || key == "plugin") continue;
            details += fmt::format("{}{}={}", details.empty() ? "" : " ", key,
                                   value.is_string() ? value.get<std::string>() : value.dump());
        }
        rows.push_back({op.value("stage", ""), op.value("plugin", ""), op.value("kind", ""),
                        printable(details)});
    }
    std::fputs(table(rows).c_str(), stdout);
    return kOk;
}

}  // namespace jailsvc::ctl
