#include "engine/timers.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"

namespace jailsvc::engine {

LoopTimers::LoopTimers(struct ev_loop* loop, OnTimer on_timer)
    : loop_(loop), on_timer_(std::move(on_timer)) {}

void LoopTimers::arm(std::string_view unit, service::TimerKind kind, config::Duration after) {
    if (after == config::kForever) return disarm(unit, kind);
    auto at = units_.find(unit);
    if (at == units_.end()) at = units_.emplace(unit, PerUnit{}).first;
    auto& watch = at->second[static_cast<std::size_t>(kind)];
    if (watch == nullptr) {
        // The key lives as long as the watch that points to it.
        watch = std::make_unique<TimerWatch>(
            loop_, [this, name = &at->first, kind] { on_timer_(*name, kind); });
    }
    watch->start(std::max(0., std::chrono::duration<double>(after).count()));
}

void LoopTimers::disarm(std::string_view unit, service::TimerKind kind) {
    const auto at = units_.find(unit);
    if (at == units_.end()) return;
    if (auto& watch = at->second[static_cast<std::size_t>(kind)]; watch != nullptr) watch->stop();
}

std::uint64_t LoopTimers::now_ns() const {
    return boottime_ns();
}

void LoopTimers::forget(std::string_view unit) {
    if (const auto at = units_.find(unit); at != units_.end()) units_.erase(at);
}

}  // namespace jailsvc::engine
