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
    struct Handlers {
        /// Takes in what the unit has said already. If that disarms the timer or arms it anew, its
        /// time is not up: an engine that was slow does not make a service late.
        std::function<void(const std::string& unit)> hear;
        std::function<void(std::string_view unit, service::TimerKind kind)> elapsed;
    };
    LoopTimers(struct ev_loop* loop, Handlers handlers);

    void arm(std::string_view unit, service::TimerKind kind, config::Duration after) override;
    void disarm(std::string_view unit, service::TimerKind kind) override;
    [[nodiscard]] std::uint64_t now_ns() const override;

    /// Disarms those of a unit that left memory.
    void forget(std::string_view unit);

private:
    using Key = std::pair<std::string, service::TimerKind>;
    void elapsed(const Key& key);

    struct ev_loop* loop_;
    Handlers handlers_;
    std::map<Key, TimerWatch> armed_;
};

}  // namespace jailsvc::engine
