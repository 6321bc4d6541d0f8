#include "jailer/loop/program.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>

namespace jailsvc::jailer {
namespace {

const List<config::Command>* commands_of(const config::ServiceCommands& service,
                                         ipc::Purpose purpose) {
    switch (purpose) {
        case ipc::Purpose::kStartPre:
            return &service.exec_start_pre;
        case ipc::Purpose::kStartPost:
            return &service.exec_start_post;
        case ipc::Purpose::kReload:
            return &service.exec_reload;
        case ipc::Purpose::kStop:
            return &service.exec_stop;
        case ipc::Purpose::kStopPost:
            return &service.exec_stop_post;
        case ipc::Purpose::kMain:
        case ipc::Purpose::kHealth:
        case ipc::Purpose::kClient:
        case ipc::Purpose::kStub:
        case ipc::Purpose::kListen:
        case ipc::Purpose::kCondition:
            break;
    }
    return nullptr;
}

bool contains(const List<int>& values, int value) {
    return std::ranges::find(values, value) != values.end();
}

std::string_view result_of(const config::ServiceCommands& service, int status) {
    if (WIFEXITED(status)) {
        const int code = WEXITSTATUS(status);
        const bool good = code == 0 || contains(service.success_exit_status, code);
        return good ? "success" : "exit-code";
    }
    const int signo = WTERMSIG(status);
    for (const int clean : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
        if (signo == clean) return "success";
    }
    if (contains(service.success_signals, signo)) return "success";
    return WCOREDUMP(status) ? "core-dump" : "signal";
}

}  // namespace

Result<config::Command> command_of(const config::ServiceCommands& service, ipc::Purpose purpose,
                                   std::uint16_t index) {
    if (purpose == ipc::Purpose::kMain && !service.exec_start.empty()) return service.exec_start;
    const auto* commands = commands_of(service, purpose);
    if (commands == nullptr || index >= commands->size() || (*commands)[index].empty()) {
        return fail(fmt::format("the unit has no command {} of that kind", index), EINVAL);
    }
    return (*commands)[index];
}

Environment base_environment(const Plan& plan) {
    Environment environment{{"PATH", std::string(kDefaultPath)}};
    add_variables(environment, plan.environment);
    return environment;
}

void add_exit_variables(Environment& environment, const config::ServiceCommands& service,
                        int status, std::string_view result) {
    environment["SERVICE_RESULT"] = result.empty() ? result_of(service, status) : result;
    if (WIFEXITED(status)) {
        environment["EXIT_CODE"] = "exited";
        environment["EXIT_STATUS"] = std::to_string(WEXITSTATUS(status));
        return;
    }
    const char* name = ::sigabbrev_np(WTERMSIG(status));
    environment["EXIT_CODE"] = WCOREDUMP(status) ? "dumped" : "killed";
    environment["EXIT_STATUS"] = name != nullptr ? name : std::to_string(WTERMSIG(status));
}

void add_variables(Environment& environment, const std::vector<std::string>& variables) {
    for (const auto& variable : variables) {
        const auto equals = variable.find('=');
        if (equals == 0 || equals == std::string::npos) continue;
        environment.insert_or_assign(variable.substr(0, equals), variable.substr(equals + 1));
    }
}

std::vector<std::string> to_strings(const Environment& environment) {
    std::vector<std::string> strings;
    strings.reserve(environment.size());
    for (const auto& [name, value] : environment) strings.push_back(name + '=' + value);
    return strings;
}

}  // namespace jailsvc::jailer
