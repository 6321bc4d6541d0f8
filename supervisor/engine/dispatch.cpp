#include "engine/dispatch.hpp"

#include <fmt/format.h>
#include <jailsvc_plugin.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <set>

#include "base/clock.hpp"
#include "config/names.hpp"
#include "control/varlink.hpp"
#include "engine/messages.hpp"
#include "engine/process_list.hpp"
#include "engine/procfs.hpp"
#include "engine/relations.hpp"
#include "engine/roles.hpp"
#include "engine/status.hpp"

namespace jailsvc::engine {
namespace {

using control::Json;
using control::Reply;
using Strings = std::vector<std::string>;

/// Calls that wait for jobs, of all clients together.
constexpr std::size_t kMaxWaiting = 4096;

constexpr std::size_t kMaxProperties = 64;

/// At least one, each a string.
std::optional<std::map<std::string, std::string>> read_properties(const Json& parameters) {
    const auto found = parameters.find("properties");
    if (found == parameters.end() || !found->is_object() || found->empty() ||
        found->size() > kMaxProperties) {
        return std::nullopt;
    }
    std::map<std::string, std::string> pairs;
    for (const auto& [key, value] : found->items()) {
        if (!value.is_string()) return std::nullopt;
        pairs.emplace(key, value.get<std::string>());
    }
    return pairs;
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
    // Logs are not for everybody: services write secrets to them. Nor is what units say in whole:
    // some people write theirs to environments and command lines.
    static constexpr Method kMethods[] = {
        {"Start", Role::kOperate, "units no_block", &Dispatcher::start},
        {"Stop", Role::kOperate, "units no_block", &Dispatcher::stop},
        {"Restart", Role::kOperate, "units no_block", &Dispatcher::restart},
        {"Reload", Role::kOperate, "units no_block", &Dispatcher::reload},
        {"Kill", Role::kOperate, "units signal all", &Dispatcher::kill},
        {"Freeze", Role::kOperate, "units", &Dispatcher::freeze},
        {"Thaw", Role::kOperate, "units", &Dispatcher::thaw},
        {"ResetFailed", Role::kOperate, "units", &Dispatcher::reset_failed},
        {"Status", Role::kRead, "units", &Dispatcher::status},
        {"Dependencies", Role::kRead, "units", &Dispatcher::dependencies},
        {"Monitor", Role::kRead, "units", &Dispatcher::monitor},
        {"Processes", Role::kRead, "units", &Dispatcher::processes},
        {"ListSockets", Role::kRead, "", &Dispatcher::list_sockets},
        {"ListTimers", Role::kRead, "", &Dispatcher::list_timers},
        {"Trigger", Role::kOperate, "units no_block", &Dispatcher::trigger},
        {"Show", Role::kOperate, "unit effective", &Dispatcher::show},
        {"Plan", Role::kOperate, "unit", &Dispatcher::plan},
        {"Logs", Role::kOperate, "unit follow file", &Dispatcher::logs},
        {"Exec", Role::kAdmin, "unit", &Dispatcher::exec},
        {"SetProperty", Role::kAdmin, "unit properties", &Dispatcher::set_property},
        {"RunJob", Role::kAdmin, "unit wait lends", &Dispatcher::run_job},
        {"WaitJob", Role::kRead, "unit", &Dispatcher::wait_job},
        {"ListJobs", Role::kRead, "", &Dispatcher::list_jobs},
        {"RemoveJobs", Role::kAdmin, "units", &Dispatcher::remove_jobs},
        {"DaemonReload", Role::kAdmin, "", &Dispatcher::daemon_reload},
        {"Version", Role::kRead, "", &Dispatcher::version},
        {"Shutdown", Role::kAdmin, "kind", &Dispatcher::shutdown},
    };
    const auto* found = std::ranges::find(kMethods, name, &Method::name);
    return found == std::end(kMethods) ? nullptr : found;
}

Dispatcher::Dispatcher(service::Manager& manager, Jobs& jobs, Elsewhere& elsewhere,
                       Monitors& monitors)
    : manager_(manager),
      jobs_(jobs),
      elsewhere_(elsewhere),
      monitors_(monitors),
      naming_(manager, elsewhere) {}

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
    naming_.let_load(caller.role > Role::kRead);
    Request request{call.parameters, std::move(fds), client, call.more};
    (this->*method->run)(request);
}

template <typename T>
std::optional<T> Dispatcher::taken(const Request& request, Naming::Answered<T> read) {
    if (read) return std::move(*read);
    answer(request.client, std::move(read).error());
    return std::nullopt;
}

std::optional<std::string> Dispatcher::unit(const Request& request) {
    return taken(request, naming_.unit(request.parameters));
}

void Dispatcher::change(Request& request, service::Request what) {
    auto outcomes = taken(request, naming_.units(request.parameters));
    if (!outcomes) return;
    const auto no_block = taken(request, flag(request.parameters, "no_block"));
    if (!no_block) return;
    if (!*no_block && jobs_.waiting() + outcomes->size() > kMaxWaiting) {
        return answer(request.client,
                      control::error_reply("LimitReached",
                                           {{"what", "too many calls wait already; try again"}}));
    }
    std::vector<std::pair<service::JobId, std::size_t>> waiting;
    for (std::size_t i = 0; i < outcomes->size(); ++i) {
        UnitOutcome& outcome = (*outcomes)[i];
        if (!outcome.result.empty()) continue;
        std::optional<service::JobId> job;
        change_one(outcome, what, job);
        // Jobs that settled within the request wait at the reporter like all others.
        if (job && !*no_block) waiting.emplace_back(*job, i);
    }
    jobs_.wait_all(std::move(*outcomes), waiting, request.client);
}

/// Asks for the change, if that makes sense: then there is a job.
void Dispatcher::change_one(UnitOutcome& outcome, service::Request what,
                            std::optional<service::JobId>& job) {
    const std::string& name = outcome.unit;
    // What runs would be stopped for a start that cannot be; what does not run cannot start.
    const bool starts = what == service::Request::kRestart ||
                        (what == service::Request::kStart && is_at_rest(manager_, name));
    const auto* errors = starts ? elsewhere_.file_errors(name) : nullptr;
    if (errors != nullptr && !errors->empty()) {
        outcome.result = "refused";
        outcome.message =
            "left as it is, since its file has errors; mend them first: " + errors->front();
        return;
    }
    const auto asked = manager_.request(what, name);
    outcome.result = asked ? "queued" : "refused";
    if (asked) {
        job = *asked;
        elsewhere_.note_asked(name, what);
    } else {
        outcome.message = without_unit(asked.error().message, name);
    }
}

void Dispatcher::kill(Request& request) {
    auto outcomes = taken(request, naming_.units(request.parameters));
    if (!outcomes) return;
    const auto all = taken(request, flag(request.parameters, "all"));
    if (!all) return;
    const auto signal = request.parameters.find("signal");
    if (signal == request.parameters.end() || !signal->is_number_integer() || *signal < 1 ||
        *signal > SIGRTMAX) {
        return answer(request.client, control::invalid_parameter("signal"));
    }
    const auto whom = *all ? service::Whom::kAll : service::Whom::kProcess;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const auto sent = manager_.kill(outcome.unit, signal->get<int>(), whom);
        outcome.result = sent ? "done" : "refused";
        if (!sent) outcome.message = without_unit(sent.error().message, outcome.unit);
    }
    answer(request.client, outcomes_reply(*outcomes));
}

/// The kernel takes its time for it: `status` tells when it is done.
void Dispatcher::hold(Request& request, bool on) {
    auto outcomes = taken(request, naming_.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const auto status = manager_.status(outcome.unit);
        const bool runs = status && status->record.main_pid > 0;
        const bool grouped = runs && elsewhere_.is_grouped(outcome.unit);
        outcome.result = grouped ? "done" : "refused";
        if (!runs) outcome.message = "no main process runs";
        if (runs && !grouped) outcome.message = "it has no control group that could be frozen";
        if (grouped) elsewhere_.freeze(outcome.unit, on);
    }
    answer(request.client, outcomes_reply(*outcomes));
}

void Dispatcher::reset_failed(Request& request) {
    auto outcomes = taken(request, naming_.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        manager_.reset_failed(outcome.unit);
        outcome.result = "done";
    }
    answer(request.client, outcomes_reply(*outcomes));
}

Json Dispatcher::status_of(const std::string& unit) const {
    const auto* errors = elsewhere_.file_errors(unit);
    const auto status = manager_.status(unit);
    if (!status) return broken_status(unit, errors == nullptr ? Strings{} : *errors);
    const Clocks clocks{.boottime_ns = boottime_ns(), .realtime_ns = realtime_ns()};
    const pid_t pid = status->record.main_pid;
    Json json = unit_status(*status, elsewhere_.extra(unit), elsewhere_.usage(unit, pid),
                            elsewhere_.self_report(unit), clocks);
    const UnitGroups::Hits hits = pid > 0 ? elsewhere_.hits(unit) : UnitGroups::Hits{};
    json["oom_kills"] = hits.oom_kills;
    json["refused_tasks"] = hits.refused_tasks;
    json["output_dropped"] = elsewhere_.extra(unit).output_dropped;
    const auto next_run = elsewhere_.times_of(unit).next;
    if (status->unit->timer->present() && next_run) json["next_run"] = *next_run;
    json["frozen"] = pid > 0 && elsewhere_.is_frozen(unit);
    if (errors != nullptr) json["errors"] = *errors;
    Strings notes = notes_of(*status->unit);
    if (status->file_gone) {
        notes.emplace_back(
            "its file is gone, it runs on as it was started; stop it, or put the "
            "file back and run jailsvc daemon-reload");
    }
    if (elsewhere_.stays_stopped(unit)) {
        notes.emplace_back(
            "was stopped by hand: the next boot does not start it, unless it is started before");
    }
    json["notes"] = std::move(notes);
    const config::SocketTable& table = *status->unit->socket;
    if (!table.present()) return json;
    const Sockets::State sockets = elsewhere_.socket_state(unit);
    if (sockets.open > 0) json["listens"] = Strings(table.listen.begin(), table.listen.end());
    json["connections"] = sockets.current;
    json["accepted"] = sockets.accepted;
    json["refused"] = sockets.refused;
    return json;
}

/// What it wants in vain. Nothing is refused for that, so nothing else tells it.
Strings Dispatcher::notes_of(const config::Unit& unit) const {
    Strings notes;
    for (const std::string& name : unit.unit.wants) {
        if (manager_.find(name) != nullptr) continue;
        const char* why = elsewhere_.file_errors(name) != nullptr
                              ? "whose file has errors"
                              : "which does not exist; add it or drop the line";
        notes.push_back(fmt::format("wants {}, {}", name, why));
    }
    return notes;
}

void Dispatcher::status(Request& request) {
    const auto names = taken(request, naming_.units_to_show(request.parameters));
    if (!names) return;
    auto list = Json::array();
    for (const std::string& name : *names) list.push_back(status_of(name));
    const auto named = request.parameters.find("units");
    const bool all = named == request.parameters.end() || named->empty();
    answer(request.client,
           {.parameters = {{"units", std::move(list)},
                           {"templates", all ? naming_.templates() : Json::array()}}});
}

void Dispatcher::dependencies(Request& request) {
    const auto names = taken(request, naming_.units_to_show(request.parameters));
    if (!names) return;
    auto list = Json::array();
    for (const std::string& name : *names) {
        if (const config::Unit* found = manager_.find(name)) list.push_back(relations_of(*found));
    }
    answer(request.client, {.parameters = {{"units", std::move(list)}}});
}

void Dispatcher::monitor(Request& request) {
    if (!request.more) {
        return answer(request.client, control::failed("Monitor needs a call with \"more\""));
    }
    const bool named = request.parameters.contains("units") && !request.parameters["units"].empty();
    std::set<std::string, std::less<>> units;
    if (named) {
        const auto names = taken(request, naming_.units_to_show(request.parameters));
        if (!names) return;
        units.insert(names->begin(), names->end());
    }
    monitors_.add(std::move(units), request.client);
}

void Dispatcher::processes(Request& request) {
    const auto names = taken(request, naming_.units_to_show(request.parameters));
    if (!names) return;
    auto list = Json::array();
    std::size_t room = kMaxProcesses;
    for (const std::string& name : *names) {
        const auto status = manager_.status(name);
        const pid_t main = status ? status->record.main_pid : 0;
        const auto pids = elsewhere_.processes(name, main);
        auto processes = list_processes(pids, room);
        room -= processes.size();
        list.push_back({{"name", name},
                        {"pid", main > 0 ? Json(main) : Json()},
                        {"count", pids.size()},
                        {"processes", std::move(processes)}});
    }
    answer(request.client, {.parameters = {{"units", std::move(list)}}});
}

void Dispatcher::list_sockets(Request& request) {
    auto list = Json::array();
    for (const std::string& name : manager_.names()) {
        const auto status = manager_.status(name);
        for (Json& one : engine::list_sockets(*status->unit, name_of(status->record.state),
                                              elsewhere_.socket_state(name))) {
            list.push_back(std::move(one));
        }
    }
    answer(request.client, {.parameters = {{"sockets", std::move(list)}}});
}

void Dispatcher::list_timers(Request& request) {
    auto list = Json::array();
    for (const std::string& name : manager_.names()) {
        const auto status = manager_.status(name);
        if (!status->unit->timer->present()) continue;
        list.push_back(timer_of(*status, elsewhere_.times_of(name)));
    }
    answer(request.client, {.parameters = {{"timers", std::move(list)}}});
}

/// As if its time had come, or a connection.
void Dispatcher::trigger(Request& request) {
    auto outcomes = taken(request, naming_.units(request.parameters));
    if (!outcomes) return;
    for (UnitOutcome& outcome : *outcomes) {
        if (!outcome.result.empty()) continue;
        const auto status = manager_.status(outcome.unit);
        const bool waits = status && status->record.state == service::State::kListening &&
                           !status->unit->is_target;
        outcome.result = waits ? "done" : "refused";
        if (waits) {
            manager_.on_activated(outcome.unit);
        } else {
            outcome.message =
                "waits neither for a time nor for connections; `jailsvc start` lets "
                "a unit with [timer] or an on-demand [socket] wait";
        }
    }
    answer(request.client, outcomes_reply(*outcomes));
}

void Dispatcher::show(Request& request) {
    const auto name = unit(request);
    if (!name) return;
    const config::Unit& found = *manager_.find(*name);
    const auto effective = taken(request, flag(request.parameters, "effective"));
    if (!effective) return;
    Result<std::string> text = found.text.str();
    if (*effective) text = elsewhere_.settings(found);
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
    const auto named = taken(request, naming_.logged(request.parameters));
    if (!named) return;
    const auto& [name, refusal] = *named;
    if (refusal && !config::is_unit_name(name)) return answer(request.client, *refusal);
    const auto follow = taken(request, flag(request.parameters, "follow"));
    if (!follow) return;
    const auto file = request.parameters.find("file");
    const bool numbered = file != request.parameters.end();
    if (numbered && (*follow || !file->is_number_unsigned())) {
        return answer(request.client, control::invalid_parameter("file"));
    }
    elsewhere_.logs({.unit = name,
                     .follow = *follow,
                     .file = numbered ? file->get<std::uint64_t>() : 0,
                     .if_none = refusal},
                    request.client);
}

void Dispatcher::exec(Request& request) {
    const auto name = unit(request);
    if (!name) return;
    // The client has told the jailer the name it was given, and the jailer knows no aliases.
    if (request.parameters["unit"] != *name) {
        return answer(request.client, control::error_reply("IsAlias", {{"unit", *name}}));
    }
    if (request.fds.size() != 1 || !is_packet_socket(request.fds[0].get())) {
        return answer(request.client,
                      control::failed("Exec needs one SOCK_SEQPACKET descriptor with the call"));
    }
    const auto status = manager_.status(*name);
    if (!status || status->record.main_pid <= 0) return answer(request.client, not_running(*name));
    elsewhere_.exec(*name, status->record.main_token, std::move(request.fds[0]), request.client);
}

void Dispatcher::set_property(Request& request) {
    const auto name = unit(request);
    if (!name) return;
    if (manager_.find(*name)->is_target) {
        return answer(request.client,
                      control::failed(*name + ": a target runs no program, so it has no limits"));
    }
    const auto pairs = read_properties(request.parameters);
    if (!pairs) return answer(request.client, control::invalid_parameter("properties"));
    const auto* errors = elsewhere_.file_errors(*name);
    if (errors != nullptr && !errors->empty()) {
        return answer(request.client,
                      control::error_reply("InvalidUnit", {{"unit", *name}, {"errors", *errors}}));
    }
    elsewhere_.set_property(*name, *pairs, request.client);
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
