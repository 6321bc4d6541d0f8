#include <fmt/format.h>

#include <cstdio>
#include <ctime>

#include "base/clock.hpp"
#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

/// "2026-01-31 12:00:00Z, in 3h"; "-" where there is none.
std::string when(const Json& timer, const char* key) {
    const auto found = timer.find(key);
    if (found == timer.end() || !found->is_number_integer()) return "-";
    const auto at = found->get<std::int64_t>();
    const auto now = static_cast<std::int64_t>(realtime_ns() / 1000);
    const time_t seconds = at / 1'000'000;
    tm civil{};
    if (::gmtime_r(&seconds, &civil) == nullptr) return "-";
    char text[32];
    ::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &civil);
    const std::string away =
        human_duration(static_cast<std::uint64_t>(at > now ? at - now : now - at));
    return at > now ? fmt::format("{}, in {}", text, away) : fmt::format("{}, {} ago", text, away);
}

std::vector<std::string> row_of(const Json& timer) {
    std::string events;
    for (const auto& event : timer.value("on_calendar", Json::array())) {
        if (event.is_string()) events += (events.empty() ? "" : ", ") + event.get<std::string>();
    }
    return {printable(timer.value("unit", "")), printable(timer.value("state", "")),
            when(timer, "next"), when(timer, "last"), printable(events)};
}

}  // namespace

int run_list_timers(const Context& context) {
    const auto answer = ask(context, "ListTimers", Json::object());
    if (!answer) return report(context, answer.error());
    const Json timers = answer->reply.parameters.value("timers", Json::array());
    if (context.json) {
        print_json({{"timers", timers}});
        return kOk;
    }
    std::vector<std::vector<std::string>> rows{{"UNIT", "STATE", "NEXT", "LAST", "CALENDAR"}};
    for (const Json& timer : timers) rows.push_back(row_of(timer));
    std::fputs(table(rows).c_str(), stdout);
    return kOk;
}

}  // namespace jailsvc::ctl
