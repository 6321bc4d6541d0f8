#include "engine/view_methods.hpp"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "control/varlink.hpp"
#include "engine/process_list.hpp"
#include "engine/procfs.hpp"
#include "engine/relations.hpp"
#include "engine/status.hpp"

namespace jailsvc::engine::methods {
namespace {

using control::Json;
using Strings = std::vector<std::string>;

/// A look at files takes some time: for this many at most that a client names.
constexpr std::size_t kMaxLooks = 16;

/// What it wants in vain. Nothing is refused for that, so nothing else tells it.
Strings notes_of(const Parts& parts, const config::Unit& unit) {
    Strings notes;
    for (const std::string& name : unit.unit.wants) {
        if (parts.manager.find(name) != nullptr) continue;
        const char* why = parts.elsewhere.file_errors(name) != nullptr
                              ? "whose file has errors"
                              : "which does not exist; add it or drop the line";
        notes.push_back(fmt::format("wants {}, {}", name, why));
    }
    return notes;
}

void add_sockets(Json& json, const config::SocketTable& table, const Sockets::State& state) {
    if (state.open > 0) json["listens"] = Strings(table.listen.begin(), table.listen.end());
    json["connections"] = state.current;
    json["accepted"] = state.accepted;
    json["refused"] = state.refused;
}

Json status_of(const Parts& parts, const std::string& unit) {
    const auto* errors = parts.elsewhere.file_errors(unit);
    const auto status = parts.manager.status(unit);
    if (!status) return broken_status(unit, errors == nullptr ? Strings{} : *errors);
    const Clocks clocks{.boottime_ns = boottime_ns(), .realtime_ns = realtime_ns()};
    const pid_t pid = status->record.main_pid;
    Json json = unit_status(*status, parts.elsewhere.extra(unit), parts.elsewhere.usage(unit, pid),
                            parts.elsewhere.self_report(unit), clocks);
    const UnitGroups::Hits hits = pid > 0 ? parts.elsewhere.hits(unit) : UnitGroups::Hits{};
    json["oom_kills"] = hits.oom_kills;
    json["refused_tasks"] = hits.refused_tasks;
    json["output_dropped"] = parts.elsewhere.extra(unit).output_dropped;
    const auto next_run = parts.elsewhere.times_of(unit).next;
    if (status->unit->timer->present() && next_run) json["next_run"] = *next_run;
    json["frozen"] = pid > 0 && parts.elsewhere.is_frozen(unit);
    if (errors != nullptr) json["errors"] = *errors;
    Strings notes = notes_of(parts, *status->unit);
    if (status->file_gone) {
        notes.emplace_back(
            "its file is gone, it runs on as it was started; stop it, or put the "
            "file back and run jailsvc daemon-reload");
    }
    if (parts.elsewhere.stays_stopped(unit)) {
        notes.emplace_back(
            "was stopped by hand: the next boot does not start it, unless it is started before");
    }
    json["notes"] = std::move(notes);
    if (status->unit->socket->present()) {
        add_sockets(json, *status->unit->socket, parts.elsewhere.socket_state(unit));
    }
    return json;
}

}  // namespace

void status(const Parts& parts, Request& request) {
    const auto names = taken(request, parts.naming.units_to_show(request.parameters));
    if (!names) return;
    const auto named = request.parameters.find("units");
    const bool all = named == request.parameters.end() || named->empty();
    auto list = Json::array();
    for (const std::string& name : *names) {
        auto& shown = list.emplace_back(status_of(parts, name));
        if (all || names->size() > kMaxLooks || !shown["errors"].empty()) continue;
        auto outdated = parts.elsewhere.outdated(name);
        if (!outdated.empty()) shown["notes"].push_back(std::move(outdated));
    }
    answer(request.client,
           {.parameters = {{"units", std::move(list)},
                           {"templates", all ? parts.naming.templates() : Json::array()}}});
}

void dependencies(const Parts& parts, Request& request) {
    const auto names = taken(request, parts.naming.units_to_show(request.parameters));
    if (!names) return;
    auto list = Json::array();
    for (const std::string& name : *names) {
        const config::Unit* found = parts.manager.find(name);
        if (found != nullptr) list.push_back(relations_of(*found));
    }
    answer(request.client, {.parameters = {{"units", std::move(list)}}});
}

void monitor(const Parts& parts, Request& request) {
    if (!request.more) {
        return answer(request.client, control::failed("Monitor needs a call with \"more\""));
    }
    const bool named = request.parameters.contains("units") && !request.parameters["units"].empty();
    std::set<std::string, std::less<>> units;
    if (named) {
        const auto names = taken(request, parts.naming.units_to_show(request.parameters));
        if (!names) return;
        units.insert(names->begin(), names->end());
    }
    parts.monitors.add(std::move(units), request.client);
}

void processes(const Parts& parts, Request& request) {
    const auto names = taken(request, parts.naming.units_to_show(request.parameters));
    if (!names) return;
    auto list = Json::array();
    std::size_t room = kMaxProcesses;
    for (const std::string& name : *names) {
        const auto status = parts.manager.status(name);
        const pid_t main = status ? status->record.main_pid : 0;
        const auto pids = parts.elsewhere.processes(name, main);
        auto processes = list_processes(pids, room);
        room -= processes.size();
        list.push_back({{"name", name},
                        {"pid", main > 0 ? Json(main) : Json()},
                        {"count", pids.size()},
                        {"processes", std::move(processes)}});
    }
    answer(request.client, {.parameters = {{"units", std::move(list)}}});
}

void list_sockets(const Parts& parts, Request& request) {
    auto list = Json::array();
    for (const std::string& name : parts.manager.names()) {
        const auto status = parts.manager.status(name);
        for (Json& one : engine::list_sockets(*status->unit, name_of(status->record.state),
                                              parts.elsewhere.socket_state(name))) {
            list.push_back(std::move(one));
        }
    }
    answer(request.client, {.parameters = {{"sockets", std::move(list)}}});
}

void list_timers(const Parts& parts, Request& request) {
    auto list = Json::array();
    for (const std::string& name : parts.manager.names()) {
        const auto status = parts.manager.status(name);
        if (!status->unit->timer->present()) continue;
        list.push_back(timer_of(*status, parts.elsewhere.times_of(name)));
    }
    answer(request.client, {.parameters = {{"timers", std::move(list)}}});
}

void show(const Parts& parts, Request& request) {
    const auto name = unit_of(parts, request);
    if (!name) return;
    const config::Unit& found = *parts.manager.find(*name);
    const auto effective = taken(request, flag(request.parameters, "effective"));
    if (!effective) return;
    Result<std::string> text = found.text.str();
    if (*effective) text = parts.elsewhere.settings(found);
    if (!text) return answer(request.client, control::failed(text.error().message));
    answer(request.client,
           {.parameters = {
                {"text", *text}, {"digest", to_hex(found.digest)}, {"files", paths_of(found)}}});
}

}  // namespace jailsvc::engine::methods
