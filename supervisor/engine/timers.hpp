#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/loop.hpp"
#include "service/types.hpp"

namespace jailsvc::engine {

/// The state machine's timers on libev. A unit costs nothing until it arms one.
class LoopTimers final : public service::Timers {
public:
    using OnTimer = std::function<void(std::string_view unit, service::TimerKind kind)>;
    LoopTimers(struct ev_loop* loop, OnTimer on_timer);

    void arm(std::string_view unit, service::TimerKind kind, config::Duration after) override;
    void disarm(std::string_view unit, service::TimerKind kind) override;
    [[nodiscard]] std::uint64_t now_ns() const override;

    /// Frees what a unit that left memory has.
    void forget(std::string_view unit);

private:
    using PerUnit = std::array<std::unique_ptr<TimerWatch>, service::kTimerKinds>;
    struct ev_loop* loop_;
    OnTimer on_timer_;
    std::map<std::string, PerUnit, std::less<>> units_;
};

}  // namespace jailsvc::engine
