#include "engine/schedules.hpp"

#include <spdlog/spdlog.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/clock.hpp"

namespace jailsvc::engine {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
/// However fine its times are, no unit is started more often.
constexpr std::uint64_t kLeastInterval = kSecond;

config::WallTime wall_now() {
    return static_cast<config::WallTime>(realtime_ns() / 1000);
}

/// By the clock on the wall as it is now: one that was set has always been so.
config::WallTime to_wall(std::uint64_t boot_ns) {
    const auto ago = static_cast<std::int64_t>(boottime_ns()) - static_cast<std::int64_t>(boot_ns);
    return wall_now() - ago / 1000;
}

void set_timer(int timer, int flags, std::optional<std::uint64_t> at_ns) {
    itimerspec spec{};  // all zero: disarmed
    if (at_ns) {
        const std::uint64_t at = std::max<std::uint64_t>(*at_ns, 1);
        spec.it_value.tv_sec = static_cast<time_t>(at / kSecond);
        spec.it_value.tv_nsec = static_cast<long>(at % kSecond);
    }
    if (::timerfd_settime(timer, flags, &spec, nullptr) == -1 && errno != ECANCELED) {
        spdlog::error("timers: {}", std::strerror(errno));
    }
}

}  // namespace

Schedules::Schedules(struct ev_loop* loop, Stamps stamps,
                     std::function<void(const std::string&)> on_due)
    : loop_(loop),
      stamps_(std::move(stamps)),
      on_due_(std::move(on_due)),
      boot_watch_(loop, [this](int) { elapsed(boot_.get()); }),
      wall_watch_(loop, [this](int) { elapsed(wall_.get()); }) {}

void Schedules::wait(const std::string& unit, const config::TimerTable& table, const Begin& begin) {
    const auto known = items_.find(unit);
    const bool same = known != items_.end() && known->second.past.active_ns == begin.armed_ns &&
                      known->second.table == table;
    if (!same) {
        auto schedule = config::Schedule::of(table);
        if (!schedule) return spdlog::error("{}: {}", unit, schedule.error().message);
        Item item{.table = table, .schedule = std::move(*schedule), .past = {}, .due = {}};
        item.past.active_ns = begin.armed_ns;
        item.past.active_wall = to_wall(begin.armed_ns);
        if (begin.last_run_ns != 0) {
            item.past.last_run_ns = begin.last_run_ns;
            item.past.last_run_wall = to_wall(begin.last_run_ns);
        }
        if (table.persistent) {
            const auto stamp = stamps_.read(unit);
            item.past.last_run_wall = std::max(item.past.last_run_wall, stamp);
            if (!stamp) stamps_.write(unit);  // from now on its times are missed
        }
        draw(item);
        items_.insert_or_assign(unit, std::move(item));
    }
    reckon(items_.at(unit));
    arm();
}

void Schedules::drop(std::string_view unit) {
    const auto found = items_.find(unit);
    if (found == items_.end()) return;
    items_.erase(found);
    arm();
}

void Schedules::draw(Item& item) {
    const auto most = static_cast<std::uint64_t>(item.table.jitter.count());
    item.jitter_ns = most == 0 ? 0 : std::uniform_int_distribution<std::uint64_t>(0, most)(random_);
}

void Schedules::reckon(Item& item) {
    item.due = config::next_due(item.schedule, item.past, wall_now());
    const std::uint64_t last = item.past.last_run_ns.value_or(0);
    const std::uint64_t first = last == 0 ? 0 : last + kLeastInterval;
    if (item.due.boot_ns) item.due.boot_ns = std::max(*item.due.boot_ns + item.jitter_ns, first);
    if (item.due.wall) {
        const auto later = static_cast<config::WallTime>(item.jitter_ns / 1000);
        item.due.wall = std::max(*item.due.wall + later, first == 0 ? 0 : to_wall(first));
    }
}

bool Schedules::is_due(const Item& item) {
    return (item.due.boot_ns && *item.due.boot_ns <= boottime_ns()) ||
           (item.due.wall && *item.due.wall <= wall_now());
}

/// Both of the kernel's timers to the earliest time.
void Schedules::arm() {
    if (items_.empty()) {
        boot_watch_.stop();
        wall_watch_.stop();
        boot_ = Fd();
        wall_ = Fd();
        return;
    }
    if (!boot_) {
        boot_ = Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
        wall_ = Fd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
        if (!boot_ || !wall_) return spdlog::error("timers: {}", std::strerror(errno));
        boot_watch_.watch(boot_.get(), EV_READ);
        wall_watch_.watch(wall_.get(), EV_READ);
    }
    std::optional<std::uint64_t> boot, wall;
    const auto earlier = [](std::optional<std::uint64_t>& least, std::uint64_t at) {
        if (!least || at < *least) least = at;
    };
    for (const auto& [unit, item] : items_) {
        if (item.due.boot_ns) earlier(boot, *item.due.boot_ns);
        if (item.due.wall) earlier(wall, static_cast<std::uint64_t>(*item.due.wall) * 1000);
    }
    set_timer(boot_.get(), TFD_TIMER_ABSTIME, boot);
    set_timer(wall_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, wall);
}

void Schedules::elapsed(int timer) {
    std::uint64_t count = 0;
    const bool set = ::read(timer, &count, sizeof count) == -1 && errno == ECANCELED;
    std::vector<std::string> due;
    for (auto& [unit, item] : items_) {
        if (set) reckon(item);  // somebody has set the clock (timerfd_create(2))
        if (is_due(item)) due.push_back(unit);
    }
    for (const std::string& unit : due) {
        const auto found = items_.find(unit);
        if (found == items_.end()) continue;
        Item& item = found->second;
        item.past.last_run_ns = boottime_ns();
        item.past.last_run_wall = wall_now();
        if (item.table.persistent) stamps_.write(unit);
        draw(item);
        reckon(item);
        on_due_(unit);
    }
    arm();
}

Schedules::Times Schedules::times_of(std::string_view unit) const {
    const auto found = items_.find(unit);
    if (found == items_.end()) return {};
    const Item& item = found->second;
    Times times{.next = item.due.wall, .last = item.past.last_run_wall};
    if (item.due.boot_ns) {
        const config::WallTime at = to_wall(*item.due.boot_ns);
        times.next = times.next ? std::min(*times.next, at) : at;
    }
    return times;
}

}  // namespace jailsvc::engine
