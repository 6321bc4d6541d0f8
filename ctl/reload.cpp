#include "reload.hpp"

#include <cstdio>

#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {

void print_names(const char* what, const Json& names) {
    for (const auto& name : names) {
        if (!name.is_string()) continue;
        std::printf("%s: %s\n", what, printable(name.get<std::string>()).c_str());
    }
}

void print_changes(const Json& changes) {
    for (const char* what : {"added", "changed", "removed"}) {
        print_names(what, changes.value(what, Json::array()));
    }
    for (const auto& warning : changes.value("warnings", Json::array())) {
        if (!warning.is_string()) continue;
        std::fprintf(stderr, "warning: %s\n", printable(warning.get<std::string>()).c_str());
    }
    for (const auto& error : changes.value("errors", Json::array())) {
        if (!error.is_string()) continue;
        std::fprintf(stderr, "%s\n", printable_lines(error.get<std::string>()).c_str());
    }
}

int run_daemon_reload(const Context& context) {
    const auto answer = ask(context, "DaemonReload", Json::object());
    if (!answer) return report(context, answer.error());
    const Json& changes = answer->reply.parameters;
    if (context.json) {
        print_json(changes);
    } else {
        print_changes(changes);
        print_names("running with its old file", changes.value("stale", Json::array()));
    }
    return changes.value("errors", Json::array()).empty() ? kOk : kFailure;
}

}  // namespace jailsvc::ctl
