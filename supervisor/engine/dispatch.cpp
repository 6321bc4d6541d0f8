#include "engine/dispatch.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "control/varlink.hpp"
#include "engine/change_methods.hpp"
#include "engine/job_methods.hpp"
#include "engine/passed_methods.hpp"
#include "engine/roles.hpp"
#include "engine/view_methods.hpp"
#include "engine/whole_methods.hpp"

namespace jailsvc::engine {
namespace {

using control::Reply;

/// Whether `name` is one of the words of `list`.
bool is_listed(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        const std::string_view word = list.substr(0, list.find(' '));
        if (word == name) return true;
        list.remove_prefix(std::min(list.size(), word.size() + 1));
    }
    return false;
}

}  // namespace

/// One row per method: who may call it, which parameters it knows, what answers it.
struct Dispatcher::Method {
    std::string_view name;
    Role needs;
    std::string_view parameters;
    void (*run)(const methods::Parts&, methods::Request&);
};

const Dispatcher::Method* Dispatcher::find_method(std::string_view name) {
    // Logs are not for everybody: services write secrets to them. Nor is what units say in whole:
    // some people write theirs to environments and command lines.
    static constexpr Method kMethods[] = {
        {"Start", Role::kOperate, "units no_block", &methods::start},
        {"Stop", Role::kOperate, "units no_block", &methods::stop},
        {"Restart", Role::kOperate, "units no_block", &methods::restart},
        {"Reload", Role::kOperate, "units no_block", &methods::reload},
        {"Kill", Role::kOperate, "units signal all", &methods::kill},
        {"Freeze", Role::kOperate, "units", &methods::freeze},
        {"Thaw", Role::kOperate, "units", &methods::thaw},
        {"ResetFailed", Role::kOperate, "units", &methods::reset_failed},
        {"Status", Role::kRead, "units", &methods::status},
        {"Dependencies", Role::kRead, "units", &methods::dependencies},
        {"Monitor", Role::kRead, "units", &methods::monitor},
        {"Processes", Role::kRead, "units", &methods::processes},
        {"ListSockets", Role::kRead, "", &methods::list_sockets},
        {"ListTimers", Role::kRead, "", &methods::list_timers},
        {"Trigger", Role::kOperate, "units no_block", &methods::trigger},
        {"Show", Role::kOperate, "unit effective", &methods::show},
        {"Plan", Role::kOperate, "unit", &methods::plan},
        {"Logs", Role::kOperate, "unit follow file", &methods::logs},
        {"Exec", Role::kAdmin, "unit", &methods::exec},
        {"SetProperty", Role::kAdmin, "unit properties", &methods::set_property},
        {"RunJob", Role::kAdmin, "unit wait lends", &methods::run_job},
        {"WaitJob", Role::kRead, "unit", &methods::wait_job},
        {"ListJobs", Role::kRead, "", &methods::list_jobs},
        {"RemoveJobs", Role::kAdmin, "units", &methods::remove_jobs},
        {"DaemonReload", Role::kAdmin, "", &methods::daemon_reload},
        {"Version", Role::kRead, "", &methods::version},
        {"Shutdown", Role::kAdmin, "kind", &methods::shutdown},
    };
    const auto* found = std::ranges::find(kMethods, name, &Method::name);
    return found == std::end(kMethods) ? nullptr : found;
}

Dispatcher::Dispatcher(service::Manager& manager, Jobs& jobs, Elsewhere& elsewhere,
                       Monitors& monitors)
    : naming_(manager, elsewhere), parts_{manager, jobs, elsewhere, monitors, naming_} {}

std::optional<Reply> Dispatcher::refusal(const Method& method, const control::Call& call,
                                         const Caller& caller) const {
    if (caller.role < method.needs) {
        return control::error_reply("PermissionDenied", {{"role", name_of(method.needs)}});
    }
    for (const auto& [key, value] : call.parameters.items()) {
        if (!is_listed(method.parameters, key)) return control::invalid_parameter(key);
    }
    if (!parts_.elsewhere.ready() && method.name != "Version") {
        return control::failed(
            "the units are not loaded yet: the jailer has not told its plugins; see its log");
    }
    return std::nullopt;
}

void Dispatcher::dispatch(const control::Call& call, std::vector<Fd> fds, const Caller& caller,
                          const ClientRef& client) {
    const auto [interface, name] = control::split_method(call.method);
    if (interface == control::kServiceInterface) {
        return answer(client, control::answer_service_call(call));
    }
    if (interface != control::kInterface) {
        return answer(client, control::interface_not_found(interface));
    }
    const Method* method = find_method(name);
    if (method == nullptr) return answer(client, control::method_not_found(call.method));
    if (auto reply = refusal(*method, call, caller)) return answer(client, std::move(*reply));
    naming_.let_load(caller.role > Role::kRead);
    methods::Request request{call.parameters, std::move(fds), client, call.more};
    method->run(parts_, request);
}

}  // namespace jailsvc::engine
