#pragma once

#include <ev.h>

#include <functional>
#include <utility>

namespace jailsvc::jailer {

/// Calls a function whenever a descriptor is ready; stops when destroyed. The function may destroy
/// its own watch. Not movable: libev holds its address.
class IoWatch {
public:
    explicit IoWatch(struct ev_loop* loop) noexcept : loop_(loop) {}
    IoWatch(const IoWatch&) = delete;
    IoWatch& operator=(const IoWatch&) = delete;
    ~IoWatch() { stop(); }

    /// `events` are EV_READ and EV_WRITE; replaces what was watched before.
    void start(int fd, int events, std::function<void()> ready);
    void stop() noexcept;
    [[nodiscard]] bool active() const noexcept { return ev_is_active(&io_); }

private:
    static void fire(struct ev_loop* loop, ev_io* io, int events) noexcept;
    struct ev_loop* loop_;
    ev_io io_{};
    std::function<void()> ready_;
};

/// Calls a function once, after a while, unless stopped or destroyed before.
class TimerWatch {
public:
    explicit TimerWatch(struct ev_loop* loop) noexcept : loop_(loop) {}
    TimerWatch(const TimerWatch&) = delete;
    TimerWatch& operator=(const TimerWatch&) = delete;
    ~TimerWatch() { stop(); }

    void start(double seconds, std::function<void()> elapsed);
    void stop() noexcept;

private:
    static void fire(struct ev_loop* loop, ev_timer* timer, int events) noexcept;
    struct ev_loop* loop_;
    ev_timer timer_{};
    std::function<void()> elapsed_;
};

}  // namespace jailsvc::jailer
