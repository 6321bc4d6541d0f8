#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.hpp"
#include "commands.hpp"
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
    if (state == "running" || state == "done") return Colour::kGreen;
    if (state == "failed" || state == "error") return Colour::kRed;
    if (state == "inactive") return Colour::kGrey;
    return Colour::kYellow;
}

bool is_up(std::string_view state) {
    return state == "running" || state == "reloading" || state == "done";
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

std::vector<std::string> table_row(const Context& context, const Json& unit) {
    const std::string state = text_field(unit, "state");
    const std::string because = text_field(unit, "because");
    std::string last = text_field(unit, "profile");
    if (last == "host") last = paint(context.colour, Colour::kYellow, "unconfined");
    if (!because.empty()) last += "  " + because;
    if (unit.value("stale", false)) last += "  (file changed)";
    return {paint(context.colour, colour_of(state), "●") + " " + text_field(unit, "name"),
            paint(context.colour, colour_of(state), state),
            ago(unit),
            number_or_dash(unit, "pid"),
            bytes_or_dash(unit, "memory"),
            number_or_dash(unit, "restarts"),
            last};
}

void print_table(const Context& context, const Json& units) {
    std::vector<std::vector<std::string>> rows{
        {"  UNIT", "STATE", "SINCE", "PID", "MEMORY", "RESTARTS", "JAIL"}};
    for (const auto& unit : units) rows.push_back(table_row(context, unit));
    std::fputs(table(rows).c_str(), stdout);
}

void print_details(const Context& context, const Json& unit) {
    const std::string state = text_field(unit, "state");
    const std::string description = text_field(unit, "description");
    std::string title = paint(context.colour, colour_of(state), "●") + " " +
                        paint(context.colour, Colour::kBold, text_field(unit, "name"));
    if (!description.empty()) title += " - " + description;
    std::string state_line = paint(context.colour, colour_of(state), state);
    if (state == "running" && !unit.value("ready", true)) state_line += " (not ready)";
    if (const std::string since = ago(unit); since != "-") state_line += " since " + since;

    std::vector<std::pair<std::string, std::string>> lines{{"state", state_line}};
    const auto add = [&lines](const char* name, std::string value) {
        if (!value.empty() && value != "-") lines.emplace_back(name, std::move(value));
    };
    if (state != "error") {  // told below, with the others
        add("because", with_hint(text_field(unit, "name"), text_field(unit, "because")));
    }
    if (const auto next = number_field(unit, "next_restart")) {
        add("next start", "in " + human_duration(*next));
    }
    add("pid", number_or_dash(unit, "pid"));
    add("memory", bytes_or_dash(unit, "memory"));
    if (const auto cpu = number_field(unit, "cpu")) add("cpu", human_duration(*cpu));
    add("tasks", number_or_dash(unit, "tasks"));
    for (const auto& [field, what] : {std::pair{"oom_kills", "processes ended for want of memory"},
                                      std::pair{"refused_tasks", "new tasks refused"}}) {
        const std::uint64_t times = number_field(unit, field).value_or(0);
        if (times > 0) add("limit hit", fmt::format("{} {}", times, what));
    }
    add("restarts", number_or_dash(unit, "restarts"));
    add("last exit", last_exit(unit));
    if (state != "error") add("jail", jail_line(unit));
    for (const auto& file : unit.value("files", Json::array())) {
        if (file.is_string()) add("file", printable(file.get<std::string>()));
    }
    for (const auto& error : unit.value("errors", Json::array())) {
        if (error.is_string()) add("error", first_line(error.get<std::string>()));
    }
    if (unit.value("stale", false)) {
        add("note", "its file changed since it was started; restart it to take the change");
    }
    std::printf("%s\n", title.c_str());
    for (const auto& [name, value] : lines) {
        std::fputs(fmt::format("{:>12}: {}\n", name, value).c_str(), stdout);
    }
}

void print_value(const Json& unit, const std::string& field) {
    const auto found = unit.find(field);
    if (found == unit.end() || found->is_null()) {
        std::puts("");
    } else {
        std::puts(found->is_string() ? found->get<std::string>().c_str() : found->dump().c_str());
    }
}

/// What was asked for as far as it is known, and what is wrong with the rest.
struct Known {
    Json units = Json::array();
    std::vector<Error> errors;
};

/// One call for all. A call that names one unknown unit is refused as a whole; then each by itself.
Known ask_status(const Context& context, const std::vector<std::string>& units) {
    Known known;
    auto answer = ask(context, "Status", {{"units", units}});
    if (answer) {
        known.units = answer->reply.parameters.value("units", Json::array());
        return known;
    }
    const int code = answer.error().code;
    if (units.size() < 2 || (code != kNoSuchUnit && code != kNotConfigured)) {
        known.errors.push_back(std::move(answer).error());
        return known;
    }
    for (const std::string& unit : units) {
        const Known one = ask_status(context, {unit});
        for (const Json& status : one.units) known.units.push_back(status);
        known.errors.insert(known.errors.end(), one.errors.begin(), one.errors.end());
    }
    return known;
}

/// One error alone stands for itself, as for every other command.
void print_status_json(const Known& known) {
    if (known.units.empty() && known.errors.size() == 1) {
        return print_json(error_json(known.errors[0]));
    }
    Json all{{"units", known.units}};
    for (const Error& error : known.errors) all["errors"].push_back(error_json(error));
    print_json(all);
}

/// As LSB wants it: whether all run; unknown units weigh most.
int exit_code(const Known& known, bool named) {
    if (!named) return known.errors.empty() ? kOk : known.errors[0].code;
    const bool broken = std::any_of(known.units.begin(), known.units.end(), [](const Json& unit) {
        return unit.value("state", "") == "error";
    });
    if (broken || !known.errors.empty()) return kStatusUnknown;
    const bool all_up = std::all_of(known.units.begin(), known.units.end(), [](const Json& unit) {
        return is_up(unit.value("state", ""));
    });
    return all_up ? kOk : kStatusStopped;
}

}  // namespace

int run_status(const Context& context, const StatusOptions& options) {
    const Known known = ask_status(context, options.units);
    const Json& units = known.units;
    const bool named = !options.units.empty();
    if (context.json) {
        print_status_json(known);
        return exit_code(known, named);
    }
    for (const Error& error : known.errors) report(context, error);
    if (units.empty() && !known.errors.empty()) return exit_code(known, named);
    if (!options.value.empty()) {
        for (const auto& unit : units) print_value(unit, options.value);
    } else if (options.units.empty() || options.table) {
        print_table(context, units);
    } else {
        for (std::size_t i = 0; i < units.size(); ++i) {
            if (i > 0) std::puts("");
            print_details(context, units[i]);
        }
    }
    return exit_code(known, named);
}

}  // namespace jailsvc::ctl
