#include "engine/timers.hpp"

#include <algorithm>
#include <utility>

#include "base/clock.hpp"

namespace jailsvc::engine {

LoopTimers::LoopTimers(struct ev_loop* loop, Handlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {}

void LoopTimers::arm(std::string_view unit, service::TimerKind kind, config::Duration after) {
    if (after == config::kForever) return disarm(unit, kind);
    const Key key(unit, kind);
    auto at = armed_.find(key);
    if (at == armed_.end()) {
        at = armed_.try_emplace(key, loop_, [this, key] { elapsed(key); }).first;
    }
    at->second.start(std::max(0., std::chrono::duration<double>(after).count()));
}

void LoopTimers::elapsed(const Key& key) {
    handlers_.hear(key.first);
    const auto at = armed_.find(key);
    if (at == armed_.end() || at->second.running()) return;
    armed_.erase(at);
    handlers_.elapsed(key.first, key.second);
}

void LoopTimers::disarm(std::string_view unit, service::TimerKind kind) {
    armed_.erase(Key(unit, kind));
}

std::uint64_t LoopTimers::now_ns() const {
    return boottime_ns();
}

void LoopTimers::forget(std::string_view unit) {
    std::erase_if(armed_, [unit](const auto& item) { return item.first.first == unit; });
}

}  // namespace jailsvc::engine
