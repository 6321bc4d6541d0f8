#include "engine/transients.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/clock.hpp"
#include "control/varlink.hpp"

namespace jailsvc::engine {
namespace {

/// Who has written a job's file and does not start it has ended meanwhile.
constexpr config::Duration kNewKept = std::chrono::minutes(5);

bool rests(const service::Status& status) {
    const service::Vitals& record = status.record;
    const bool down =
        record.state == service::State::kInactive || record.state == service::State::kFailed;
    return down && record.want == service::Want::kNothing && !status.job;
}

/// Its last time has come, and it has run.
bool waits_in_vain(const service::Vitals& record) {
    return record.state == service::State::kListening && record.main_started_ns > record.armed_ns;
}

}  // namespace

Transients::Transients(struct ev_loop* loop, service::Manager& manager, std::string directory,
                       Handlers handlers)
    : manager_(manager),
      directory_(std::move(directory)),
      handlers_(std::move(handlers)),
      timer_(loop, [this] { collect_due(); }) {}

bool Transients::is_transient(const config::Unit& unit) const {
    if (!unit.job->present()) return false;
    const std::string path = fmt::format("{}/{}.toml", directory_, unit.name);
    return std::ranges::any_of(unit.files, [&](const auto& file) { return file.str() == path; });
}

void Transients::look_for_jobs() {
    for (const std::string& unit : manager_.names()) meet(unit);
    arm();
}

void Transients::meet(const std::string& unit) {
    const config::Unit* known = manager_.find(unit);
    if (known == nullptr || !is_transient(*known)) return;
    const auto [at, added] = items_.try_emplace(unit);
    at->second.keep = known->job->keep;
    if (!added) return;
    Item& item = at->second;
    item.since_ns = boottime_ns();
    const auto status = manager_.status(unit);
    if (status->record.state_since_ns == 0) return arm();
    // Of an engine before us: who was over was told to be.
    item.phase = rests(*status) ? Phase::kOver : Phase::kRuns;
    if (item.phase == Phase::kOver) item.since_ns = status->record.state_since_ns;
    changed_.insert(unit);
}

bool Transients::is_over(std::string_view unit) const {
    const auto at = items_.find(unit);
    return at != items_.end() && at->second.phase == Phase::kOver;
}

bool Transients::may_go(std::string_view unit) const {
    const auto at = items_.find(unit);
    return at != items_.end() &&
           (at->second.phase == Phase::kOver || at->second.phase == Phase::kNew);
}

std::vector<std::string> Transients::units() const {
    std::vector<std::string> names;
    for (const auto& [unit, item] : items_) names.push_back(unit);
    return names;
}

void Transients::wait(const std::string& unit, ClientRef client) {
    const auto at = items_.find(unit);
    if (at == items_.end()) return answer(client, control::failed(unit + ": is no job"));
    Item& item = at->second;
    if (item.phase == Phase::kOver) {
        return answer(client, {.parameters = {{"job", handlers_.describe(unit)}}});
    }
    std::erase_if(item.waiters, [](const ClientRef& waiter) { return waiter.expired(); });
    item.waiters.push_back(std::move(client));
}

void Transients::settle() {
    for (const std::string& unit : std::exchange(changed_, {})) {
        const auto at = items_.find(unit);
        if (at != items_.end()) look(unit, at->second);
    }
}

void Transients::look(const std::string& unit, Item& item) {
    const auto status = manager_.status(unit);
    if (!status) return gone(unit);
    if (!rests(*status)) {
        item.phase = Phase::kRuns;
        if (!waits_in_vain(status->record) || handlers_.comes_again(unit)) return;
        const auto stopped = manager_.request(service::Request::kStop, unit);
        if (!stopped) spdlog::error("{}", stopped.error().message);
        return;
    }
    if (item.phase != Phase::kRuns) return;
    item.phase = Phase::kDrains;
    if (!handlers_.end_output(unit)) finish(unit, item);
}

void Transients::output_ended(const std::string& unit) {
    const auto at = items_.find(unit);
    if (at != items_.end() && at->second.phase == Phase::kDrains) finish(unit, at->second);
}

/// The next one reads what is left in the pipes, and tells nobody when.
void Transients::logger_lost() {
    for (auto& [unit, item] : items_) {
        if (item.phase == Phase::kDrains) finish(unit, item);
    }
}

void Transients::finish(const std::string& unit, Item& item) {
    item.phase = Phase::kOver;
    item.since_ns = boottime_ns();
    for (const ClientRef& waiter : std::exchange(item.waiters, {})) {
        answer(waiter, {.parameters = {{"job", handlers_.describe(unit)}}});
    }
    timer_.start(0);  // not from within a walk over the items
}

/// Somebody has removed its file, and had the files read again.
void Transients::gone(const std::string& unit) {
    auto item = items_.extract(unit);
    for (const ClientRef& waiter : item.mapped().waiters) {
        answer(waiter, control::failed(unit + ": its file was removed"));
    }
}

std::optional<std::uint64_t> Transients::due_of(const Item& item) {
    if (item.phase != Phase::kOver && item.phase != Phase::kNew) return std::nullopt;
    const config::Duration keep = item.phase == Phase::kNew ? kNewKept : item.keep;
    if (keep == config::kForever) return std::nullopt;
    return item.since_ns + static_cast<std::uint64_t>(keep.count());
}

void Transients::collect_due() {
    std::vector<std::string> due;
    const std::uint64_t now = boottime_ns();
    for (const auto& [unit, item] : items_) {
        const auto at = due_of(item);
        if (at && *at <= now) due.push_back(unit);
    }
    for (const std::string& unit : due) collect(unit);
    collect_beyond_limit();
    arm();
}

void Transients::collect_beyond_limit() {
    std::vector<std::pair<std::uint64_t, std::string>> over;
    for (const auto& [unit, item] : items_) {
        if (item.phase == Phase::kOver) over.emplace_back(item.since_ns, unit);
    }
    if (over.size() <= kMaxJobsOver) return;
    std::ranges::sort(over);
    over.resize(over.size() - kMaxJobsOver);
    for (const auto& [since, unit] : over) collect(unit);
}

void Transients::arm() {
    std::uint64_t first = std::numeric_limits<std::uint64_t>::max();
    for (const auto& [unit, item] : items_) first = std::min(first, due_of(item).value_or(first));
    if (first == std::numeric_limits<std::uint64_t>::max()) return timer_.stop();
    const std::uint64_t now = boottime_ns();
    const std::uint64_t left = first > now ? first - now : 0;
    timer_.start(static_cast<double>(left) / 1e9 + 0.001);
}

void Transients::collect(const std::string& unit) {
    items_.erase(unit);
    collected_.insert(unit);
    manager_.forget_when_down(unit);
}

bool Transients::take_collected(std::string_view unit) {
    const auto at = collected_.find(unit);
    if (at == collected_.end()) return false;
    collected_.erase(at);
    return true;
}

namespace {

std::string_view state_of(const service::Vitals& record, bool over) {
    if (!over) return state_name(record, record.state);
    if (record.state == service::State::kFailed) return "failed";
    return record.wanted_up != 0 ? "done" : "stopped";
}

control::Json exit_of(const service::Vitals& record) {
    if (record.has_exited == 0 || record.main_alive != 0) return nullptr;
    if (record.last_unknown != 0) return {{"kind", "unknown"}, {"code", 0}};
    const char* killed = record.last_out_of_memory != 0 ? "oom-kill" : "killed";
    return {{"kind", record.last_by_signal != 0 ? killed : "exited"}, {"code", record.last_code}};
}

}  // namespace

control::Json job_of(const service::Status& status, const Extra& extra, bool over,
                     std::optional<std::int64_t> next_run, std::uint64_t boottime_ns,
                     std::uint64_t realtime_ns) {
    const service::Vitals& record = status.record;
    const auto wall_us = [&](std::uint64_t at_ns) -> control::Json {
        if (at_ns == 0) return nullptr;
        return (realtime_ns - std::min(realtime_ns, boottime_ns - std::min(boottime_ns, at_ns))) /
               1000;
    };
    const std::uint64_t end = over ? record.state_since_ns : boottime_ns;
    const bool ran = record.main_started_ns != 0;
    return {{"unit", status.unit->name},
            {"description", status.unit->unit.description},
            {"state", state_of(record, over)},
            {"over", over},
            {"because", status.because},
            {"since", wall_us(record.state_since_ns)},
            {"started", wall_us(record.main_started_ns)},
            {"duration", ran ? control::Json((end - std::min(end, record.main_started_ns)) / 1000)
                             : control::Json()},
            {"exit", exit_of(record)},
            {"next_run", next_run ? control::Json(*next_run) : control::Json()},
            {"output_dropped", extra.output_dropped}};
}

}  // namespace jailsvc::engine
