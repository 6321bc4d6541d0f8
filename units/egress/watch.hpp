#pragma once

#include <ev.h>

#include <functional>
#include <utility>

/// Owners of libev watchers. A watcher's address is registered in the loop, so none of them moves.
/// What a watcher calls may destroy it.
namespace jailsvc::egress {

class IoWatch {
public:
    explicit IoWatch(struct ev_loop* loop) noexcept : loop_(loop) {}
    IoWatch(const IoWatch&) = delete;
    IoWatch& operator=(const IoWatch&) = delete;
    ~IoWatch() { stop(); }

    /// EV_READ and EV_WRITE; replaces what was watched. 0 stops.
    void start(int fd, int events, std::function<void(int)> ready);
    /// The same descriptor and function, other events.
    void want(int events);
    void stop() noexcept;

private:
    static void fire(struct ev_loop* loop, ev_io* io, int events) noexcept;
    struct ev_loop* loop_;
    ev_io io_{};
    int fd_ = -1;
    int events_ = 0;
    std::function<void(int)> ready_;
};

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

}  // namespace jailsvc::egress
