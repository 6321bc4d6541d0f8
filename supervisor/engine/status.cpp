#include "engine/status.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "config/jail_view.hpp"

namespace jailsvc::engine {
namespace {

using control::Json;

constexpr std::string_view kNamespaces[] = {"pid", "mount", "ipc",    "uts",
                                            "net", "user",  "cgroup", "time"};

void add_filesystem(const config::Unit& unit, std::vector<std::string>& parts) {
    const auto view = config::JailView::open(unit, "jail.chroot");
    if (!view || !view->present()) return;
    const std::string mode = view->get_string("mode").value_or("host");
    if (mode == "host") {
        parts.emplace_back("host files read-only, private /tmp");
    } else {
        parts.push_back(fmt::format("root {}", view->get_string("root").value_or(mode)));
    }
}

void add_namespaces(const config::Unit& unit, std::vector<std::string>& parts) {
    const auto view = config::JailView::open(unit, "jail.namespaces");
    if (!view || !view->present()) return;
    std::vector<std::string_view> own;
    for (const std::string_view name : kNamespaces) {
        if (view->get_bool(name).value_or(false)) own.push_back(name);
    }
    if (!own.empty()) parts.push_back(fmt::format("own {}", fmt::join(own, " ")));
}

void add_identity(const config::Unit& unit, std::vector<std::string>& parts) {
    const auto view = config::JailView::open(unit, "jail.identity");
    if (!view || !view->present()) return;
    if (view->get_bool("dynamic_user").value_or(false)) {
        parts.emplace_back("dynamic user");
    } else {
        parts.push_back(fmt::format("user {}", view->get_string("user").value_or("root")));
    }
    const auto capabilities = view->get_list("capabilities");
    if (!capabilities) return;
    parts.push_back(capabilities->empty() ? "no capabilities"
                                          : fmt::format("{}", fmt::join(*capabilities, " ")));
}

/// What it reaches besides, where it has no network.
void add_egress(const config::Unit& unit, std::vector<std::string>& parts) {
    const auto view = config::JailView::open(unit, "jail.network.egress");
    const auto allowed = view ? view->get_list("allow") : std::nullopt;
    if (!allowed || allowed->empty()) return;
    parts.push_back(fmt::format("egress to {} destination{}", allowed->size(),
                                allowed->size() == 1 ? "" : "s"));
}

void add_promises(const config::Unit& unit, std::vector<std::string>& parts) {
    const auto view = config::JailView::open(unit, "jail.pledge");
    if (!view || !view->present()) return;
    if (view->get_string("on_violation") == "log") {
        parts.emplace_back("not pledged (learning)");
    } else if (const auto promises = view->get_string("promises")) {
        parts.push_back("pledge " + *promises);
    }
}

std::int64_t microseconds(std::uint64_t nanoseconds) {
    return static_cast<std::int64_t>(nanoseconds / 1000);
}

/// Wall-clock time of an instant since boot.
std::int64_t since_epoch_us(std::uint64_t instant_ns, const Clocks& clocks) {
    const std::uint64_t age = clocks.boottime_ns > instant_ns ? clocks.boottime_ns - instant_ns : 0;
    return microseconds(clocks.realtime_ns > age ? clocks.realtime_ns - age : 0);
}

/// As the unit file has it.
std::string_view name_of_type(config::ServiceType type) {
    switch (type) {
        case config::ServiceType::kExec:
            return "exec";
        case config::ServiceType::kOneshot:
            return "oneshot";
        case config::ServiceType::kNotify:
            return "notify";
        case config::ServiceType::kNotifyFd:
            return "notify_fd";
        case config::ServiceType::kForking:
            return "forking";
    }
    return "";
}

Json last_exit(const service::Vitals& record) {
    if (record.has_exited == 0) return nullptr;
    if (record.last_unknown != 0) return {{"kind", "unknown"}, {"code", 0}};
    if (record.by_watchdog != 0) return {{"kind", "watchdog"}, {"code", record.last_code}};
    const char* killed = record.last_out_of_memory != 0 ? "oom-kill" : "killed";
    return {{"kind", record.last_by_signal != 0 ? killed : "exited"}, {"code", record.last_code}};
}

/// Every field, for a unit of which nothing else is known.
Json blank_status(const std::string& name, std::string_view state, const std::string& because) {
    return {{"name", name},
            {"description", ""},
            {"state", state},
            {"ready", false},
            {"because", because},
            {"since", nullptr},
            {"pid", nullptr},
            {"memory", nullptr},
            {"cpu", nullptr},
            {"tasks", nullptr},
            {"restarts", 0},
            {"next_restart", nullptr},
            {"next_delays", Json::array()},
            {"aliases", Json::array()},
            {"next_run", nullptr},
            {"last_exit", nullptr},
            {"profile", ""},
            {"jail", ""},
            {"weakened", 0},
            {"stale", false},
            {"files", Json::array()},
            {"oom_kills", 0},
            {"refused_tasks", 0},
            {"output_dropped", 0},
            {"errors", Json::array()},
            {"notes", Json::array()},
            {"pressure", 0},
            {"frozen", false},
            {"listens", Json::array()},
            {"connections", 0},
            {"accepted", 0},
            {"refused", 0},
            {"type", ""},
            {"status_text", nullptr},
            {"errno", nullptr},
            {"exit_status", nullptr},
            {"watchdog", nullptr},
            {"last_ping", nullptr},
            {"health", nullptr}};
}

}  // namespace

std::vector<std::string> paths_of(const config::Unit& unit) {
    std::vector<std::string> paths;
    for (const SharedPath& file : unit.files) paths.push_back(file.str());
    return paths;
}

std::string jail_summary(const config::Unit& unit) {
    if (unit.is_target) return "";
    if (unit.jail.profile == "host") return "unconfined";
    std::vector<std::string> parts;
    add_filesystem(unit, parts);
    add_namespaces(unit, parts);
    add_identity(unit, parts);
    add_egress(unit, parts);
    add_promises(unit, parts);
    return parts.empty() ? "unconfined" : fmt::format("{}", fmt::join(parts, ", "));
}

void add_self_report(Json& json, const config::Unit& unit, const service::Vitals& record,
                     const SelfReport& report, const Clocks& clocks) {
    json["type"] = unit.is_target ? "" : name_of_type(unit.service.type);
    if (!report.status.empty()) json["status_text"] = report.status;
    if (report.error) json["errno"] = *report.error;
    if (!report.exit_status.empty()) json["exit_status"] = report.exit_status;
    const auto watchdog =
        std::chrono::duration_cast<std::chrono::microseconds>(unit.readiness->watchdog);
    if (watchdog.count() <= 0) return;
    json["watchdog"] =
        record.watchdog_us != 0 ? static_cast<std::int64_t>(record.watchdog_us) : watchdog.count();
    if (report.ping_ns > 0) json["last_ping"] = since_epoch_us(report.ping_ns, clocks);
}

/// Null for a unit without health checks; state "none" while there are none to be made.
Json health_of(const service::Status& status, const Clocks& clocks) {
    const service::Vitals& record = status.record;
    if (!status.unit->health->present() && record.health == service::Health::kNone) return nullptr;
    const auto time = [&](std::uint64_t instant_ns) {
        return instant_ns > 0 ? Json(since_epoch_us(instant_ns, clocks)) : Json();
    };
    return {{"state", name_of(record.health)},
            {"bad", record.bad_checks},
            {"reason", status.health_reason},
            {"since", time(status.health_changed_ns)},
            {"checked", time(status.health_checked_ns)}};
}

Json unit_status(const service::Status& status, const Extra& extra,
                 const std::optional<Usage>& usage, const SelfReport& report,
                 const Clocks& clocks) {
    const service::Vitals& record = status.record;
    const config::Unit& unit = *status.unit;
    Json json = blank_status(unit.name, state_name(record, record.state), status.because);
    json["description"] = unit.unit.description;
    json["aliases"] =
        std::vector<std::string>(unit.install.alias.begin(), unit.install.alias.end());
    for (const config::Duration delay : status.next_delays) {
        json["next_delays"].push_back(
            std::chrono::duration_cast<std::chrono::microseconds>(delay).count());
    }
    json["ready"] = record.ready != 0;
    json["restarts"] = record.restarts;
    json["last_exit"] = last_exit(record);
    json["profile"] = unit.is_target ? "" : unit.jail.profile;
    json["jail"] = jail_summary(unit);
    json["weakened"] = extra.weakened;
    json["pressure"] = extra.pressure;
    json["stale"] = status.stale;
    json["files"] = paths_of(unit);
    if (record.state_since_ns > 0) json["since"] = since_epoch_us(record.state_since_ns, clocks);
    if (record.main_pid > 0) json["pid"] = record.main_pid;
    if (status.next_restart_ns > clocks.boottime_ns) {
        json["next_restart"] = microseconds(status.next_restart_ns - clocks.boottime_ns);
    }
    add_self_report(json, unit, record, report, clocks);
    json["health"] = health_of(status, clocks);
    if (usage) {
        json["memory"] = usage->resident_bytes;
        json["cpu"] = usage->cpu_us;
        json["tasks"] = usage->threads;
    }
    return json;
}

Json broken_status(const std::string& unit, const std::vector<std::string>& errors) {
    const std::string first = errors.empty() ? std::string() : errors.front();
    Json json = blank_status(unit, "error", first.substr(0, first.find('\n')));
    json["errors"] = errors;
    return json;
}

Json timer_of(const service::Status& status, const Schedules::Times& times) {
    const config::TimerTable& table = *status.unit->timer;
    const auto time = [](const std::optional<config::WallTime>& at) {
        return at ? Json(*at) : Json();
    };
    const bool waits = status.record.listening != 0;
    return {{"unit", status.unit->name},
            {"state", state_name(status.record, status.record.state)},
            {"next", waits ? time(times.next) : Json()},
            {"last", time(times.last)},
            {"on_calendar",
             std::vector<std::string>(table.on_calendar.begin(), table.on_calendar.end())},
            {"persistent", table.persistent}};
}

}  // namespace jailsvc::engine
