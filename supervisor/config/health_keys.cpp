#include "config/health_keys.hpp"

#include <fmt/format.h>

#include "base/signals.hpp"
#include "config/checks.hpp"
#include "config/core_rows.hpp"
#include "config/health_target.hpp"
#include "config/nearest.hpp"

namespace jailsvc::config {

static constexpr Names<OnUnhealthy, 3> names_of(OnUnhealthy) {
    return {{{"none", OnUnhealthy::kNone},
             {"restart", OnUnhealthy::kRestart},
             {"signal", OnUnhealthy::kSignal}}};
}

namespace {

constexpr Rows<HealthTable, Rarely<HealthTable>> health{"health", &Unit::health};
constexpr const char* kKinds[] = {"exec", "http", "tcp", "unix"};

/// The check of a key whose text `parse` takes.
template <auto parse>
void target(const Value& value, const CheckContext& context) {
    const auto& text = std::get<Text>(value.data);
    if (const auto parsed = parse(text.text); !parsed) {
        context.complain(text.where,
                         fmt::format("{} {}", shown(text.text), parsed.error().message));
    }
}

CoreKey exec() {
    CoreKey row = health("exec", &HealthTable::exec,
                         "A program in the unit's jail, as its other commands: good when it ends "
                         "with exit code 0. What it writes to standard output is dropped.");
    row.key.type = KeyType::kCommand;
    return row;
}

CoreKey signal() {
    return {.table = "health",
            .key = {.name = "signal",
                    .type = KeyType::kString,
                    .fallback = {},
                    .doc = "Signal for on_unhealthy = \"signal\".",
                    .choices = {}},
            .check = signal_name,
            .store = [](const Value& value, Unit& out) {
                const auto signo = parse_signal(std::get<Text>(value.data).text);
                if (signo) out.health.make().signal = *signo;
            }};
}

/// How many of the four there are; the place of the second.
std::size_t count_kinds(const Section& section, Where& second) {
    std::size_t count = 0;
    for (const char* kind : kKinds) {
        const auto found = section.keys.find(kind);
        if (found != section.keys.end() && ++count == 2) second = found->second.where;
    }
    return count;
}

void check_signal(const Document& document, const Section& section, Reporter& reporter) {
    const Text* action = document.find_text("health", "on_unhealthy");
    const bool wanted = action != nullptr && action->text == "signal";
    const auto named = section.keys.find("signal");
    if (wanted && named == section.keys.end()) {
        reporter.add(action->where, "on_unhealthy: \"signal\" needs signal, the signal's name");
    }
    if (!wanted && named != section.keys.end()) {
        reporter.add(named->second.where, "signal: is for on_unhealthy = \"signal\"");
    }
}

void check_ready(const Document& document, bool has_health, Reporter& reporter) {
    const Text* ready = document.find_text("service", "ready");
    if (ready == nullptr || ready->text != "health" || has_health) return;
    reporter.add(ready->where, "ready: \"health\" needs a [health] that says what a check is");
}

}  // namespace

std::vector<CoreKey> health_keys() {
    using H = HealthTable;
    return {
        exec(),
        health("http", &H::http,
               "A URL, \"http://127.0.0.1:8080/healthz\": good when it is answered with a status "
               "of 200 to 399. Asked for in the service's own network, under its user, without "
               "looking up names or following redirects.",
               target<parse_http_target>),
        health("tcp", &H::tcp,
               "An address, \"127.0.0.1:5432\" or a port of 127.0.0.1: good when it can be "
               "connected to, likewise.",
               target<parse_tcp_target>),
        health("unix", &H::unix_socket,
               "A stream socket in the jail's tree, \"/run/app.sock\", or \"@NAME\": good when it "
               "can be connected to, likewise.",
               target<parse_unix_target>),
        health("interval", &H::interval,
               "Pause between the end of a check and the next. Before the first good one checks "
               "come faster, from 0.1 s on.",
               positive),
        health("timeout", &H::timeout, "A check that has not ended by then is ended, and bad.",
               positive),
        health("retries", &H::retries, "So many bad checks in a row, and the unit is unhealthy.",
               in_range(1, 10'000)),
        health("start_period", &H::start_period,
               "So long after the program's start bad checks do not count, until the first good "
               "one."),
        health("on_unhealthy", &H::on_unhealthy,
               "What follows: nothing, a restart with the delays and limits of [service] and "
               "[unit], or a signal to the main process."),
        signal(),
    };
}

void check_health(const Document& document, Reporter& reporter) {
    const auto found = document.sections.find("health");
    check_ready(document, found != document.sections.end(), reporter);
    if (found == document.sections.end()) return;
    const Section& section = found->second;
    Where second = section.where;
    const std::size_t kinds = count_kinds(section, second);
    if (kinds == 0 && !section.incomplete) {
        reporter.add(section.where, "[health]: says no check; add exec, http, tcp or unix");
    }
    if (kinds > 1) {
        reporter.add(second,
                     "[health]: exec, http, tcp and unix are one check each; keep one, or "
                     "write a program for exec that makes several");
    }
    check_signal(document, section, reporter);
    const Text* type = document.find_text("service", "type");
    if (type != nullptr && type->text == "oneshot") {
        reporter.add(section.where,
                     "[health]: a oneshot is not up while its program runs; drop this table");
    }
}

}  // namespace jailsvc::config
