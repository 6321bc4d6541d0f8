#include "engine/dispatch.hpp"

#include <fmt/format.h>
#include <jailsvc_plugin.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "base/clock.hpp"
#include "config/load.hpp"
#include "config/nearest.hpp"
#include "control/varlink.hpp"
#include "engine/messages.hpp"
#include "engine/procfs.hpp"
#include "engine/roles.hpp"
#include "engine/status.hpp"

namespace jailsvc::engine {
namespace {

using control::Json;
using control::Reply;
using Strings = std::vector<std::string>;

constexpr std::size_t kMaxUnitsPerCall = 4096;
/// Calls that wait for jobs, of all clients together.
constexpr std::size_t kMaxWaiting = 4096;

/// A parameter that may be absent or null; `bad` is set if it is of another type.
bool flag(const Json& parameters, const char* name, bool& bad) {
    const auto found = parameters.find(name);
    if (found == parameters.end() || found->is_null()) return false;
    if (!found->is_boolean()) bad = true;
    return found->is_boolean() && found->get<bool>();
}

bool is_at_rest(const service::Manager& manager, const std::string& unit) {
    const auto status = manager.status(unit);
    return status && (status->record.state == service::State::kInactive ||
                      status->record.state == service::State::kFailed);
}

/// Whether `name` is one of the words of `list`.
bool is_listed(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        const std::string_view word = list.substr(0, list.find(' '));
        if (word == name) return true;
        list.remove_prefix(std::min(list.size(), word.size() + 1));
    }
    return false;
}

bool is_packet_socket(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

Reply not_running(const std::string& unit) {
    return control::error_reply("NotRunning", {{"unit", unit}});
}

}  // namespace

/// One row per method: who may call it, which parameters it knows, what answers it.
struct Dispatcher::Method {
    std::string_view name;
    Role needs;
    std::string_view parameters;
    void (Dispatcher::*run)(Request&);
};

const Dispatcher::Method* Dispatcher::find_method(std::string_view name) {
    // Logs are not for everybody: services write secrets to them.
    static constexpr Method kMethods[] = {
        {"Start", Role::kOperate, "units no_block", &Dispatcher::start},
        {"Stop", Role::kOperate, "units no_block", &Dispatcher::stop},
        {"Restart", Role::kOperate, "units no_block", &Dispatcher::restart},
        {"Reload", Role::kOperate, "units no_block", &Dispatcher::reload},
        {"Kill", Role::kOperate, "units signal all", &Dispatcher::kill},
        {"ResetFailed", Role::kOperate, "units", &Dispatcher::reset_failed},
        {"Status", Role::kRead, "units", &Dispatcher::status},
        {"Show", Role::kRead, "unit effective", &Dispatcher::show},
        {"Plan", Role::kRead, "unit", &Dispatcher::plan},
        {"Logs", Role::kOperate, "unit follow", &Dispatcher::logs},
        {"Exec", Role::kAdmin, "unit", &Dispatcher::exec},
        {"DaemonReload", Role::kAdmin, "", &Dispatcher::daemon_reload},
        {"Version", Role::kRead, "", &Dispatcher::version},
        {"Shutdown", Role::kAdmin, "kind", &Dispatcher::shutdown},
    };
    const auto* found = std::ranges::find(kMethods, name, &Method::name);
    return found == std::end(kMethods) ? nullptr : found;
}

Dispatcher::Dispatcher(service::Manager& manager, Jobs& jobs, Elsewhere& elsewhere)
    : manager_(manager), jobs_(jobs), elsewhere_(elsewhere) {}

std::optional<Reply> Dispatcher::refusal(const Method& method, const control::Call& call,
                                         const Caller& caller) const {
    if (caller.role < method.needs) {
        return control::error_reply("PermissionDenied", {{"role", name_of(method.needs)}});
    }
    for (const auto& [key, value] : call.parameters.items()) {
        if (!is_listed(method.parameters, key)) return control::invalid_parameter(key);
    }
    if (!elsewhere_.ready() && method.name != "Version") {
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
    Request request{call.parameters, std::move(fds), client};
    (this->*method->run)(request);
}

std::optional<Reply> Dispatcher::unknown(const std::string& unit) {
    if (manager_.find(unit) != nullptr) return std::nullopt;
    const bool valid = config::is_unit_name(unit);
    if (valid && unit.find('@') != std::string::npos && elsewhere_.load_instance(unit)) {
        return std::nullopt;
    }
    if (const auto* errors = elsewhere_.file_errors(unit)) {
        return control::error_reply("InvalidUnit", {{"unit", unit}, {"errors", *errors}});
    }
    const std::string nearest =
        valid ? std::string(config::nearest(unit, manager_.names())) : std::string();
    return control::error_reply(
        "NoSuchUnit", {{"unit", unit}, {"nearest", nearest.empty() ? Json() : Json(nearest)}});
}

std::optional<std::vector<std::string>> Dispatcher::unit_names(const Request& request) {
    std::vector<std::string> names;
    const auto refuse = [&](Reply reply) {
        answer(request.client, std::move(reply));
        return std::nullopt;
    };
    const auto found = request.parameters.find("units");
    if (found == request.parameters.end() || found->is_null()) return names;
    if (!found->is_array()) return refuse(control::invalid_parameter("units"));
    if (found->size() > kMaxUnitsPerCall) {
        return refuse(control::error_reply(
            "LimitReached",
            {{"what", fmt::format("more than {} units in a call; name fewer", kMaxUnitsPerCall)}}));
    }
    for (const Json& name : *found) {
        if (!name.is_string()) return refuse(control::invalid_parameter("units"));
        names.push_back(name.get<std::string>());
    }
    return names;
}

std::optional<std::vector<std::string>> Dispatcher::units(const Request& request) {
    auto names = unit_names(request);
    if (!names) return std::nullopt;
    auto reply = names->empty() ? std::optional(control::invalid_parameter("units")) : std::nullopt;
    for (auto name = names->begin(); !reply && name != names->end(); ++name) {
        reply = unknown(*name);
    }
    if (!reply) return names;
    answer(request.client, std::move(*reply));
    return std::nullopt;
}

std::optional<std::vector<std::string>> Dispatcher::units_to_show(const Request& request) {
    auto names = unit_names(request);
    if (!names) return std::nullopt;
    if (names->empty()) {
        *names = manager_.names();
        std::ranges::move(elsewhere_.broken_units(), std::back_inserter(*names));
        std::ranges::sort(*names);
        return names;
    }
    for (const std::string& name : *names) {
        auto reply = unknown(name);
        if (!reply || elsewhere_.file_errors(name) != nullptr) continue;
        answer(request.client, std::move(*reply));
        return std::nullopt;
    }
    return names;
}

std::optional<std::string> Dispatcher::unit(const Request& request) {
    const auto found = request.parameters.find("unit");
    if (found == request.parameters.end() || !found->is_string()) {
        answer(request.client, control::invalid_parameter("unit"));
        return std::nullopt;
    }
    auto name = found->get<std::string>();
    if (auto reply = unknown(name)) {
        answer(request.client, std::move(*reply));
        return std::nullopt;
    }
    return name;
}

void Dispatcher::change(Request& request, service::Request what) {
    const auto names = units(request);
    if (!names) return;
    bool bad = false;
    const bool no_block = flag(request.parameters, "no_block", bad);
    if (bad) return answer(request.client, control::invalid_parameter("no_block"));
    if (!no_block && jobs_.waiting() + names->size() > kMaxWaiting) {
        return answer(request.client,
                      control::error_reply("LimitReached",
                                           {{"what", "too many calls wait already; try again"}}));
    }
    std::vector<UnitOutcome> outcomes;
    std::vector<std::pair<service::JobId, std::size_t>> waiting;
    for (const std::string& name : *names) {
        // What runs would be stopped for a start that cannot be; what does not run cannot start.
        const bool starts = what == service::Request::kRestart ||
                            (what == service::Request::kStart && is_at_rest(manager_, name));
        const auto* errors = starts ? elsewhere_.file_errors(name) : nullptr;
        if (errors != nullptr && !errors->empty()) {
            outcomes.push_back(
                {name, "refused",
                 "left as it is, since its file has errors; mend them first: " + errors->front()});
            continue;
        }
        const auto job = manager_.request(what, name);
        if (!job) {
            outcomes.push_back(
                {name, "refused", std::string(without_unit(job.error().message, name))});
            continue;
        }
        // Jobs that settled within the request wait at the reporter like all others.
        if (!no_block) waiting.emplace_back(*job, outcomes.size());
        outcomes.push_back({name, "queued", ""});
    }
    jobs_.wait_all(std::move(outcomes), waiting, request.client);
}

void Dispatcher::kill(Request& request) {
    const auto names = units(request);
    if (!names) return;
    bool bad = false;
    const bool all = flag(request.parameters, "all", bad);
    if (bad) return answer(request.client, control::invalid_parameter("all"));
    const auto signal = request.parameters.find("signal");
    if (signal == request.parameters.end() || !signal->is_number_integer() || *signal < 1 ||
        *signal > SIGRTMAX) {
        return answer(request.client, control::invalid_parameter("signal"));
    }
    std::vector<UnitOutcome> outcomes;
    for (const std::string& name : *names) {
        const auto sent = manager_.kill(name, signal->get<int>(),
                                        all ? service::Whom::kAll : service::Whom::kProcess);
        outcomes.push_back({name, sent ? "done" : "refused",
                            std::string(sent ? "" : without_unit(sent.error().message, name))});
    }
    answer(request.client, outcomes_reply(outcomes));
}

void Dispatcher::reset_failed(Request& request) {
    const auto names = units(request);
    if (!names) return;
    std::vector<UnitOutcome> outcomes;
    for (const std::string& name : *names) {
        manager_.reset_failed(name);
        outcomes.push_back({name, "done", ""});
    }
    answer(request.client, outcomes_reply(outcomes));
}

Json Dispatcher::status_of(const std::string& unit) const {
    const auto* errors = elsewhere_.file_errors(unit);
    const auto status = manager_.status(unit);
    if (!status) return broken_status(unit, errors == nullptr ? Strings{} : *errors);
    const Clocks clocks{.boottime_ns = boottime_ns(), .realtime_ns = realtime_ns()};
    const pid_t pid = status->record.main_pid;
    Json json = unit_status(*status, elsewhere_.extra(unit), elsewhere_.usage(unit, pid), clocks);
    const UnitGroups::Hits hits = pid > 0 ? elsewhere_.hits(unit) : UnitGroups::Hits{};
    json["oom_kills"] = hits.oom_kills;
    json["refused_tasks"] = hits.refused_tasks;
    if (errors != nullptr) json["errors"] = *errors;
    return json;
}

void Dispatcher::status(Request& request) {
    const auto names = units_to_show(request);
    if (!names) return;
    auto list = Json::array();
    for (const std::string& name : *names) list.push_back(status_of(name));
    answer(request.client, {.parameters = {{"units", std::move(list)}}});
}

void Dispatcher::show(Request& request) {
    const auto name = unit(request);
    if (!name) return;
    const config::Unit& found = *manager_.find(*name);
    bool bad = false;
    const bool effective = flag(request.parameters, "effective", bad);
    if (bad) return answer(request.client, control::invalid_parameter("effective"));
    Result<std::string> text = found.text.str();
    if (effective) text = elsewhere_.settings(found);
    if (!text) return answer(request.client, control::failed(text.error().message));
    answer(request.client,
           {.parameters = {
                {"text", *text}, {"digest", to_hex(found.digest)}, {"files", paths_of(found)}}});
}

void Dispatcher::plan(Request& request) {
    const auto name = unit(request);
    if (!name) return;
    if (manager_.find(*name)->is_target) {
        return answer(request.client, control::failed(*name + ": a target has no jail"));
    }
    elsewhere_.plan(*name, request.client);
}

void Dispatcher::logs(Request& request) {
    const auto name = unit(request);
    if (!name) return;
    bool bad = false;
    const bool follow = flag(request.parameters, "follow", bad);
    if (bad) return answer(request.client, control::invalid_parameter("follow"));
    elsewhere_.logs(*name, follow, request.client);
}

void Dispatcher::exec(Request& request) {
    const auto name = unit(request);
    if (!name) return;
    if (request.fds.size() != 1 || !is_packet_socket(request.fds[0].get())) {
        return answer(request.client,
                      control::failed("Exec needs one SOCK_SEQPACKET descriptor with the call"));
    }
    const auto status = manager_.status(*name);
    if (!status || status->record.main_pid <= 0) return answer(request.client, not_running(*name));
    elsewhere_.exec(*name, status->record.main_token, std::move(request.fds[0]), request.client);
}

void Dispatcher::daemon_reload(Request& request) {
    const ReloadReport report = elsewhere_.reload();
    answer(request.client, {.parameters = {{"added", report.added},
                                           {"changed", report.changed},
                                           {"removed", report.removed},
                                           {"stale", report.stale},
                                           {"errors", report.errors},
                                           {"warnings", report.warnings}}});
}

void Dispatcher::version(Request& request) {
    answer(request.client,
           {.parameters = {{"version", JAILSVC_VERSION},
                           {"abi", fmt::format("{}.{}", JSV_ABI_MAJOR, JSV_ABI_MINOR)},
                           {"pid", ::getppid()},
                           {"processes", supervisor_processes()}}});
}

void Dispatcher::shutdown(Request& request) {
    const auto kind = request.parameters.find("kind");
    if (kind == request.parameters.end() || !kind->is_string() ||
        !elsewhere_.shutdown(kind->get_ref<const std::string&>())) {
        return answer(request.client, control::invalid_parameter("kind"));
    }
    answer(request.client, {});
}

}  // namespace jailsvc::engine
