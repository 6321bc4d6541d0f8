#pragma once

#include <cstdint>
#include <string>

#include "config/unit.hpp"

namespace jailsvc::jailer {

/// Counts what wakes a unit, so that one that does nothing about it does not keep the machine busy
/// (systemd.socket(5), TriggerLimitBurst=).
class TriggerLimit {
public:
    /// Whether one more at this time is within the limit.
    [[nodiscard]] bool allows(const config::SocketTable& table, std::uint64_t now_ns) {
        if (table.trigger_limit_interval.count() <= 0) return true;
        const auto span = static_cast<std::uint64_t>(table.trigger_limit_interval.count());
        if (now_ns - began_ns_ >= span) {
            began_ns_ = now_ns;
            count_ = 0;
        }
        return ++count_ <= burst(table);
    }
    [[nodiscard]] static std::uint32_t burst(const config::SocketTable& table) {
        constexpr std::uint32_t kActivations = 20, kConnections = 200;
        if (table.trigger_limit_burst != 0) return table.trigger_limit_burst;
        return table.accept ? kConnections : kActivations;
    }

private:
    std::uint64_t began_ns_ = 0;
    std::uint32_t count_ = 0;
};

}  // namespace jailsvc::jailer
