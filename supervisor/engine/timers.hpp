#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "engine/loop.hpp"
#include "service/types.hpp"

namespace jailsvc::engine {

/// The state machine's timers on libev. Only those that are armed cost anything.
class LoopTimers final : public service::Timers {
public:
    using OnTimer = std::function<void(std::string_view unit, service::TimerKind kind)>;
    LoopTimers(struct ev_loop* loop, OnTimer on_timer);

    void arm(std::string_view unit, service::TimerKind kind, config::Duration after) override;
    void disarm(std::string_view unit, service::TimerKind kind) override;
    [[nodiscard]] std::uint64_t now_ns() const override;

    /// Disarms those of a unit that left memory.
    void forget(std::string_view unit);

private:
    using Key = std::pair<std::string, service::TimerKind>;
    void elapsed(const Key& key);

    struct ev_loop* loop_;
    OnTimer on_timer_;
    std::map<Key, TimerWatch> armed_;
};

}  // namespace jailsvc::engine
