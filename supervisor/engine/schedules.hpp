#pragma once

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "config/due.hpp"
#include "engine/loop.hpp"
#include "engine/stamps.hpp"

namespace jailsvc::engine {

/// Starts units when their [timer] says so. Two timers of the kernel serve for all units: one by
/// the clock that goes on while the machine sleeps, one by the clock on the wall, which also tells
/// when somebody sets that clock. Nothing is armed while no unit waits.
class Schedules {
public:
    /// What a unit's schedule counts from, as its record has it.
    struct Begin {
        std::uint64_t armed_ns = 0;     ///< since when it waits for its times, CLOCK_BOOTTIME
        std::uint64_t last_run_ns = 0;  ///< start of its last run; 0: none since the boot
    };
    Schedules(struct ev_loop* loop, Stamps stamps, std::function<void(const std::string&)> on_due);

    /// The unit waits for its next time from now on; `begin` is the same until it was stopped.
    void wait(const std::string& unit, const config::TimerTable& table, const Begin& begin);
    /// It waits no more.
    void drop(std::string_view unit);

    struct Times {
        std::optional<config::WallTime> next;  ///< with what chance adds
        std::optional<config::WallTime> last;
    };
    [[nodiscard]] Times times_of(std::string_view unit) const;

private:
    struct Item {
        config::TimerTable table;
        config::Schedule schedule;
        config::TimerPast past;
        std::uint64_t jitter_ns = 0;
        config::Due due;
    };
    void reckon(Item& item);
    void draw(Item& item);
    void arm();
    void elapsed(int timer);
    [[nodiscard]] static bool is_due(const Item& item);

    struct ev_loop* loop_;
    Stamps stamps_;
    std::function<void(const std::string&)> on_due_;
    std::map<std::string, Item, std::less<>> items_;
    std::mt19937_64 random_{std::random_device{}()};
    Fd boot_, wall_;
    IoWatch boot_watch_, wall_watch_;
};

}  // namespace jailsvc::engine
