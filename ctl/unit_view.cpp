#include "unit_view.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <optional>

#include "base/clock.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

std::string text_field(const Json& unit, const char* key) {
    const auto found = unit.find(key);
    return found != unit.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

/// nullopt where the field is absent, null or not a number that fits.
std::optional<std::uint64_t> number_field(const Json& unit, const char* key) {
    const auto found = unit.find(key);
    if (found == unit.end() || !found->is_number_integer()) return std::nullopt;
    const auto value = found->get<std::int64_t>();
    return value < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(value));
}

Colour colour_of(std::string_view state) {
    for (const std::string_view good : {"running", "done", "listening", "scheduled"}) {
        if (state == good) return Colour::kGreen;
    }
    if (state == "failed" || state == "error") return Colour::kRed;
    if (state == "inactive" || state == "skipped") return Colour::kGrey;
    return Colour::kYellow;
}

std::string ago(const Json& unit) {
    const auto since = number_field(unit, "since");
    if (!since || *since == 0) return "-";
    const std::uint64_t now = realtime_ns() / 1000;
    return human_duration(now > *since ? now - *since : 0) + " ago";
}

std::string bytes_or_dash(const Json& unit, const char* key) {
    const auto bytes = number_field(unit, key);
    return bytes ? human_bytes(*bytes) : "-";
}

std::string first_line(const std::string& text) {
    return printable(text.substr(0, text.find('\n')));
}

std::string number_or_dash(const Json& unit, const char* key) {
    const auto number = number_field(unit, key);
    return number ? std::to_string(*number) : "-";
}

std::string last_exit(const Json& unit) {
    const auto exit = unit.find("last_exit");
    if (exit == unit.end() || !exit->is_object()) return "";
    const int code = exit->value("code", 0);
    if (exit->value("kind", "") == "oom-kill") return "killed by SIGKILL, out of memory";
    if (exit->value("kind", "") == "unknown") return "ended; nobody saw how";
    if (exit->value("kind", "") == "watchdog") return "ended by its watchdog";
    if (exit->value("kind", "") == "killed") {
        const char* name = ::sigabbrev_np(code);
        return fmt::format("killed by SIG{}", name != nullptr ? name : std::to_string(code));
    }
    return fmt::format("exit code {}", code);
}

/// "default: host fs read-only, …", marked where the jail is less than the unit asks for.
std::string jail_line(const Json& unit) {
    std::string line = fmt::format("{}: {}", text_field(unit, "profile"), text_field(unit, "jail"));
    const auto weakened = number_field(unit, "weakened");
    if (weakened && *weakened > 0) line += fmt::format(" (weakened: {} optional)", *weakened);
    return line;
}

/// "a, b"
std::string joined(const Json& unit, const char* field) {
    std::string text;
    for (const auto& one : unit.value(field, Json::array())) {
        if (one.is_string()) text += (text.empty() ? "" : ", ") + printable(one.get<std::string>());
    }
    return text;
}

std::vector<std::string> table_row(const Context& context, const Json& unit) {
    const std::string state = text_field(unit, "state");
    const std::string because = text_field(unit, "because");
    std::string last = text_field(unit, "profile");
    if (last.empty()) last = "-";  // a target, or a file with errors
    if (last == "host") last = paint(context.colour, Colour::kYellow, "unconfined");
    if (!because.empty()) last += "  " + because;
    if (unit.contains("health") && unit["health"].is_object() &&
        text_field(unit["health"], "state") == "unhealthy") {
        last += "  (unhealthy)";
    }
    if (unit.value("stale", false)) last += "  (file changed)";
    const bool has_errors = !unit.value("errors", Json::array()).empty();
    if (has_errors && state != "error") last += "  (file has errors)";
    const std::string aliases = joined(unit, "aliases");
    return {paint(context.colour, colour_of(state), "●") + " " + text_field(unit, "name") +
                (aliases.empty() ? "" : " (" + aliases + ")"),
            paint(context.colour, colour_of(state), state),
            ago(unit),
            number_or_dash(unit, "pid"),
            bytes_or_dash(unit, "memory"),
            number_or_dash(unit, "restarts"),
            last};
}

using Lines = std::vector<std::pair<std::string, std::string>>;

/// Adds a line where there is something to say.
void add(Lines& lines, const char* name, std::string value) {
    if (!value.empty() && value != "-") lines.emplace_back(name, std::move(value));
}

std::string title_of(const Context& context, const Json& unit) {
    const std::string description = text_field(unit, "description");
    std::string title = paint(context.colour, colour_of(text_field(unit, "state")), "●") + " " +
                        paint(context.colour, Colour::kBold, text_field(unit, "name"));
    return description.empty() ? title : title + " - " + description;
}

/// ", then after 200ms, 400ms, ...": what restarts after the next would wait.
std::string later_delays(const Json& unit) {
    std::string text;
    for (const auto& delay : unit.value("next_delays", Json::array())) {
        if (!delay.is_number()) continue;
        text +=
            (text.empty() ? ", then after " : ", ") + human_duration(delay.get<std::uint64_t>());
    }
    return text.empty() ? text : text + ", ...";
}

void add_state(const Context& context, const Json& unit, Lines& lines) {
    const std::string state = text_field(unit, "state");
    std::string line = paint(context.colour, colour_of(state), state);
    if (state == "running" && !unit.value("ready", true)) line += " (not ready)";
    if (unit.value("frozen", false)) line += " (frozen)";
    if (const std::string since = ago(unit); since != "-") line += " since " + since;
    add(lines, "state", line);
    if (state != "error") {  // told below, with the others
        add(lines, "because", with_hint(text_field(unit, "name"), text_field(unit, "because")));
    }
    if (const auto next = number_field(unit, "next_restart")) {
        add(lines, "next start", "in " + human_duration(*next) + later_delays(unit));
    }
    if (const auto next = number_field(unit, "next_run")) {
        const std::uint64_t now = realtime_ns() / 1000;
        add(lines, "next run", "in " + human_duration(*next > now ? *next - now : 0));
    }
}

void add_texts(const Json& unit, const char* field, const char* name, Lines& lines) {
    for (const auto& text : unit.value(field, Json::array())) {
        if (text.is_string()) add(lines, name, first_line(text.get<std::string>()));
    }
}

void add_sockets(const Json& unit, Lines& lines) {
    add_texts(unit, "listens", "listens", lines);
    const std::uint64_t accepted = number_field(unit, "accepted").value_or(0);
    const std::uint64_t refused = number_field(unit, "refused").value_or(0);
    if (accepted + refused == 0) return;
    add(lines, "connections",
        fmt::format("{} now, {} taken, {} refused", number_field(unit, "connections").value_or(0),
                    accepted, refused));
}

/// What it says of itself.
void add_report(const Json& unit, Lines& lines) {
    if (unit.contains("status_text") && unit["status_text"].is_string()) {
        add(lines, "status", "\"" + text_field(unit, "status_text") + "\"");
    }
    if (const auto code = number_field(unit, "errno"); code && *code > 0) {
        const char* what = ::strerrordesc_np(static_cast<int>(*code));
        add(lines, "error", fmt::format("{} ({})", what != nullptr ? what : "unknown", *code));
    }
    if (unit.contains("exit_status") && unit["exit_status"].is_string()) {
        add(lines, "exit status", text_field(unit, "exit_status"));
    }
    if (const auto interval = number_field(unit, "watchdog")) {
        add(lines, "watchdog", "a ping every " + human_duration(*interval));
    }
}

/// "unhealthy since 3 s ago; 5 bad checks, the last one: Connection refused".
void add_health(const Context& context, const Json& unit, Lines& lines) {
    const auto found = unit.find("health");
    if (found == unit.end() || !found->is_object()) return;
    const Json& health = *found;
    const std::string state = text_field(health, "state");
    if (state == "none") return;
    const Colour colour = state == "healthy"     ? Colour::kGreen
                          : state == "unhealthy" ? Colour::kRed
                                                 : Colour::kYellow;
    std::string line = paint(context.colour, colour, state);
    if (const std::string since = ago(health); since != "-") line += " since " + since;
    const std::uint64_t bad = number_field(health, "bad").value_or(0);
    if (bad > 0) line += fmt::format("; {} bad {} in a row", bad, bad == 1 ? "check" : "checks");
    const std::string reason = text_field(health, "reason");
    if (!reason.empty()) line += "; the last bad one: " + reason;
    add(lines, "health", line);
}

void add_usage(const Json& unit, Lines& lines) {
    add(lines, "pid", number_or_dash(unit, "pid"));
    add(lines, "memory", bytes_or_dash(unit, "memory"));
    if (const auto cpu = number_field(unit, "cpu")) add(lines, "cpu", human_duration(*cpu));
    add(lines, "tasks", number_or_dash(unit, "tasks"));
    for (const auto& [field, what] : {std::pair{"oom_kills", "processes ended for want of memory"},
                                      std::pair{"refused_tasks", "new tasks refused"},
                                      std::pair{"pressure", "times over its pressure triggers"}}) {
        const std::uint64_t times = number_field(unit, field).value_or(0);
        if (times > 0) add(lines, "limit hit", fmt::format("{} {}", times, what));
    }
    add(lines, "restarts", number_or_dash(unit, "restarts"));
    add(lines, "last exit", last_exit(unit));
}

}  // namespace

bool is_up(const Json& unit) {
    const std::string state = unit.value("state", "");
    return state == "running" || state == "reloading" || state == "done" || state == "listening" ||
           state == "scheduled";
}

void print_table(const Context& context, const Json& units) {
    std::vector<std::vector<std::string>> rows{
        {"  UNIT", "STATE", "SINCE", "PID", "MEMORY", "RESTARTS", "JAIL"}};
    for (const auto& unit : units) rows.push_back(table_row(context, unit));
    std::fputs(table(rows).c_str(), stdout);
}

void print_templates(const Json& templates) {
    if (templates.empty()) return;
    std::vector<std::vector<std::string>> rows{{"  TEMPLATE", "INSTANCES", "DESCRIPTION"}};
    for (const auto& one : templates) {
        const Json errors = one.value("errors", Json::array());
        std::string last = text_field(one, "description");
        if (!errors.empty() && errors[0].is_string()) {
            last = "error: " + first_line(errors[0].get<std::string>());
        }
        rows.push_back({"  " + text_field(one, "name"), number_or_dash(one, "instances"), last});
    }
    std::printf("\n%s", table(rows).c_str());
}

void print_details(const Context& context, const Json& unit) {
    Lines lines;
    add(lines, "alias", joined(unit, "aliases"));
    add_state(context, unit, lines);
    add_sockets(unit, lines);
    add_report(unit, lines);
    add_health(context, unit, lines);
    add_usage(unit, lines);
    if (const auto dropped = number_field(unit, "output_dropped"); dropped.value_or(0) > 0) {
        add(lines, "output", fmt::format("truncated: {} bytes were dropped", *dropped));
    }
    if (!text_field(unit, "profile").empty()) add(lines, "jail", jail_line(unit));
    add_texts(unit, "files", "file", lines);
    add_texts(unit, "errors", "error", lines);
    add_texts(unit, "notes", "note", lines);
    if (unit.value("stale", false)) {
        add(lines, "note", "its file changed since it was started; restart it to take the change");
    }
    std::printf("%s\n", title_of(context, unit).c_str());
    for (const auto& [name, value] : lines) {
        std::fputs(fmt::format("{:>12}: {}\n", name, value).c_str(), stdout);
    }
}

}  // namespace jailsvc::ctl
