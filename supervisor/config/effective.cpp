#include "config/effective.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/checks.hpp"
#include "config/core_keys.hpp"
#include "config/job_keys.hpp"
#include "config/health_keys.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"
#include "config/quantity.hpp"
#include "config/socket_keys.hpp"
#include "config/timer_keys.hpp"

namespace jailsvc::config {
namespace {

/// A target starts no process, so nothing may be said about one: it would be said in vain.
constexpr std::string_view kOfTargets[] = {"unit", "install", "socket"};

void check_target(const Document& document, Reporter& reporter) {
    for (const auto& [name, section] : document.sections) {
        const std::string_view top = std::string_view(name).substr(0, name.find('.'));
        if (std::ranges::find(kOfTargets, top) != std::end(kOfTargets)) continue;
        reporter.add(section.where,
                     fmt::format("[{}]: a unit without [service] starts no program; add "
                                 "[service] or remove this table",
                                 name));
    }
}

/// Only where both are written: restart_delay alone may be longer than the other's default.
void check_delays(const Document& document, Reporter& reporter) {
    const Text* delay = document.find_text("service", "restart_delay");
    const Text* most = document.find_text("service", "restart_delay_max");
    if (delay == nullptr || most == nullptr) return;
    const auto first = parse_duration(delay->text);
    const auto last = parse_duration(most->text);
    if (!first || !last || *first <= *last) return;  // what does not parse was reported
    reporter.add(delay->where, fmt::format("restart_delay: {} is longer than restart_delay_max, "
                                           "which is {}; raise that too",
                                           shown(delay->text), shown(most->text)));
}

/// Keys that belong to one type alone, and what that type cannot do without.
void check_readiness(const Document& document, const Section& service, Reporter& reporter) {
    const Text* named = document.find_text("service", "type");
    const std::string type = named != nullptr ? named->text : "exec";
    constexpr std::pair<const char*, const char*> kOnlyFor[] = {{"notify_fd", "notify_fd"},
                                                                {"pid_file", "forking"}};
    for (const auto& [key, only] : kOnlyFor) {
        const auto found = service.keys.find(key);
        if (found == service.keys.end() || type == only) continue;
        reporter.add(found->second.where, fmt::format("{}: is for type = \"{}\"", key, only));
    }
    if (type == "notify_fd" && !service.keys.contains("notify_fd") && !service.incomplete) {
        reporter.add(named->where,
                     "type: \"notify_fd\" needs notify_fd, the descriptor's number: 3 or more");
    }
    const auto watchdog = service.keys.find("watchdog");
    if (type == "oneshot" && watchdog != service.keys.end()) {
        reporter.add(watchdog->second.where, "watchdog: a oneshot has none; use timeout_start");
    }
}

void check_service(const Document& document, const Section& service, Reporter& reporter) {
    if (!service.keys.contains("exec_start") && !service.incomplete) {
        reporter.add(service.where, "exec_start: missing; [service] needs the program to run");
    }
    const Text* type = document.find_text("service", "type");
    const Text* restart = document.find_text("service", "restart");
    const bool oneshot = type != nullptr && type->text == "oneshot";
    if (oneshot && restart != nullptr &&
        (restart->text == "always" || restart->text == "unless-stopped" ||
         restart->text == "on-success")) {
        reporter.add(restart->where,
                     fmt::format("restart: \"{}\" would run a oneshot again and again; use \"no\", "
                                 "\"on-failure\" or \"on-abnormal\"",
                                 restart->text));
    }
    check_delays(document, reporter);
    check_readiness(document, service, reporter);
}

}  // namespace

void check_kind(const Document& document, FileKind kind, Reporter& reporter) {
    if (kind != FileKind::kProfile) return;
    for (const auto& [name, section] : document.sections) {
        if (name.starts_with("jail.")) continue;
        if (name != "jail") {
            reporter.add(section.where,
                         fmt::format("[{}]: a profile holds [jail.NAME] tables alone", name));
        }
        for (const auto& [key, value] : section.keys) {
            if (name != "jail") break;
            reporter.add(
                value.where,
                fmt::format("{}: not in a profile; only a unit's own [jail] says it", key));
        }
    }
}

void check_whole(const Document& document, Reporter& reporter) {
    const auto service = document.sections.find("service");
    if (service == document.sections.end()) {
        check_target(document, reporter);
    } else {
        check_service(document, service->second, reporter);
    }
    check_socket(document, reporter);
    check_timer(document, reporter);
    check_job(document, reporter);
    check_health(document, reporter);
}

Unit make_unit(const std::string& name, const Document& document) {
    Unit unit;
    unit.name = name;
    unit.is_target = !document.sections.contains("service");
    for (const CoreKey& row : core_keys()) {
        const Value* value = document.find(row.table, row.key.name);
        if (value != nullptr && row.store) row.store(*value, unit);
    }
    unit.set_text(to_toml(document));
    return unit;
}

Specifiers specifiers_for(const Sources& sources, const std::string& name) {
    NameParts parts = split_name(name);
    Specifiers out{.name = name,
                   .prefix = std::move(parts.prefix),
                   .instance = std::nullopt,
                   .user = std::nullopt,
                   .runtime_root = sources.runtime_root,
                   .state_root = sources.state_root};
    if (parts.is_instance) out.instance = std::move(parts.instance);
    return out;
}

std::optional<Document> parse_document(const SourceText& source, const Schema& schema,
                                       Reporter& reporter) {
    const auto raw = parse_toml(source, reporter);
    if (!raw) return std::nullopt;
    return read_document(*raw, schema, reporter);
}

}  // namespace jailsvc::config
