#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/sys.hpp"
#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

void print_names(const char* what, const Json& parameters, const char* key) {
    for (const auto& name : parameters.value(key, Json::array())) {
        if (!name.is_string()) continue;
        std::printf("%s: %s\n", what, printable(name.get<std::string>()).c_str());
    }
}

/// Becomes `jailsvcd ARGUMENTS`, which knows the plugins' keys; needs no running supervisor.
int become_jailsvcd(std::vector<std::string> arguments) {
    const auto folder = sys::program_directory();
    if (!folder) return report(folder.error());
    std::vector<char*> argv;
    arguments.insert(arguments.begin(), "jailsvcd");
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    // Beside us in a build tree; PREFIX/lib/jailsvc of PREFIX/bin when installed.
    ::execv((*folder + "/jailsvcd").c_str(), argv.data());
    ::execv((*folder + "/../lib/jailsvc/jailsvcd").c_str(), argv.data());
    return report({fmt::format("jailsvcd is neither in {} nor in ../lib/jailsvc beside it; install "
                               "it again",
                               *folder),
                   kFailure});
}

std::vector<std::string> with_places(const Context& context, const char* verb) {
    std::vector<std::string> arguments{verb};
    if (!context.config.empty()) {
        arguments.insert(arguments.end(), {"--config", context.config});
    }
    if (!context.state.empty()) arguments.insert(arguments.end(), {"--state", context.state});
    return arguments;
}

}  // namespace

int run_daemon_reload(const Context& context) {
    const auto answer = ask(context, "DaemonReload", Json::object());
    if (!answer) return report(answer.error());
    const Json& changes = answer->reply.parameters;
    const Json errors = changes.value("errors", Json::array());
    if (context.json) {
        print_json(changes);
    } else {
        print_names("added", changes, "added");
        print_names("changed", changes, "changed");
        print_names("removed", changes, "removed");
        print_names("running with its old file", changes, "stale");
        for (const auto& error : errors) {
            if (error.is_string()) std::fprintf(stderr, "%s\n", error.get<std::string>().c_str());
        }
    }
    return errors.empty() ? kOk : kFailure;
}

int run_version(const Context& context) {
    if (context.json) {
        const auto answer = ask(context, "Version", Json::object());
        if (!answer) return report(answer.error());
        print_json(answer->reply.parameters);
        return kOk;
    }
    std::printf("jailsvc %s\n", JAILSVC_VERSION);
    const auto answer = ask(context, "Version", Json::object());
    if (!answer) return kOk;  // the client's own version needs no supervisor
    std::printf("supervisor %s, plugin ABI %s, pid %d\n",
                answer->reply.parameters.value("version", "?").c_str(),
                answer->reply.parameters.value("abi", "?").c_str(),
                answer->reply.parameters.value("pid", 0));
    return kOk;
}

int run_shutdown(const Context& context) {
    const auto answer = ask(context, "Shutdown", {{"kind", "exit"}});
    return answer ? kOk : report(answer.error());
}

int run_verify(const Context& context, const std::vector<std::string>& files) {
    std::vector<std::string> arguments = with_places(context, "verify");
    arguments.insert(arguments.end(), files.begin(), files.end());
    return become_jailsvcd(std::move(arguments));
}

int run_explain(const Context& context, const std::string& key) {
    std::vector<std::string> arguments = with_places(context, "explain");
    if (!key.empty()) arguments.push_back(key);
    return become_jailsvcd(std::move(arguments));
}

}  // namespace jailsvc::ctl
