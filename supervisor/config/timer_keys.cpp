#include "config/timer_keys.hpp"

#include <fmt/format.h>

#include "config/calendar.hpp"
#include "config/checks.hpp"
#include "config/core_rows.hpp"
#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

constexpr std::size_t kMaxEvents = 64;
constexpr Rows<TimerTable, Rarely<TimerTable>> timer{"timer", &Unit::timer};

void calendar_events(const Value& value, const CheckContext& context) {
    const auto& list = std::get<TextList>(value.data);
    if (list.size() > kMaxEvents) {
        context.complain(value.where, fmt::format("{} are the most", kMaxEvents));
    }
    for (const Text& one : list) {
        const auto calendar = Calendar::parse(one.text);
        if (calendar) continue;
        context.complain(one.where,
                         fmt::format("{}: {}", shown(one.text), calendar.error().message));
    }
}

bool is_any_given(const Section& section) {
    for (const char* key : {"on_calendar", "on_boot", "on_active", "every"}) {
        if (section.keys.contains(key)) return true;
    }
    return false;
}

}  // namespace

std::vector<CoreKey> timer_keys() {
    using T = TimerTable;
    return {
        timer("on_calendar", &T::on_calendar,
              "When the unit is run by the clock on the wall, as systemd.time(7) writes calendar "
              "events: \"daily\", \"Mon..Fri *-*-* 08:00\", \"*-*-1 04:30 Europe/Berlin\".",
              calendar_events),
        timer("on_boot", &T::on_boot,
              "So long after the machine's boot, once; at once if that is over."),
        timer("on_active", &T::on_active, "So long after the unit was asked to start, once."),
        timer("every", &T::every,
              "So long after the start of the last run, whenever that was; before the first, after "
              "the unit was asked to start.",
              positive),
        timer(
            "jitter", &T::jitter,
            "Each time comes at most so much later, at random, so that many do not come at once."),
        timer("persistent", &T::persistent,
              "A time of on_calendar that was missed while the unit or the machine was down is "
              "made up at the next start: once, however many were missed."),
    };
}

void check_timer(const Document& document, Reporter& reporter) {
    const auto section = document.sections.find("timer");
    if (section == document.sections.end()) return;
    if (!document.sections.contains("service")) {
        reporter.add(section->second.where,
                     "[timer]: there is no [service] that could be run; add it");
    }
    if (!is_any_given(section->second) && !section->second.incomplete) {
        reporter.add(section->second.where,
                     "[timer]: says no time; add on_calendar, on_boot, on_active or every");
    }
    const auto service = document.sections.find("service");
    if (service == document.sections.end()) return;
    const Value* remains = document.find("service", "remain_after_exit");
    if (remains != nullptr && std::get<bool>(remains->data)) {
        reporter.add(remains->where,
                     "remain_after_exit: a unit with [timer] would run once and never again; drop "
                     "the one or the other");
    }
}

}  // namespace jailsvc::config
