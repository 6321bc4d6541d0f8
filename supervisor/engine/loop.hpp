#pragma once

#include <ev.h>

#include <functional>

/// Owners of libev watchers. A watcher's address is registered in the loop, so none of them moves.
/// An exception that leaves a callback ends the process: the next engine goes on from the records.
namespace jailsvc::engine {

/// Readiness of one descriptor (not owned).
class IoWatch {
public:
    IoWatch(struct ev_loop* loop, std::function<void(int events)> on_event);
    ~IoWatch() { stop(); }
    IoWatch(const IoWatch&) = delete;
    IoWatch& operator=(const IoWatch&) = delete;

    void watch(int fd, int events);  ///< EV_READ | EV_WRITE; replaces what was watched
    void stop();

private:
    struct ev_loop* loop_;
    std::function<void(int)> on_event_;
    ev_io io_{};
};

/// A one-shot timer. What it calls may destroy it.
class TimerWatch {
public:
    TimerWatch(struct ev_loop* loop, std::function<void()> on_timeout);
    ~TimerWatch() { stop(); }
    TimerWatch(const TimerWatch&) = delete;
    TimerWatch& operator=(const TimerWatch&) = delete;

    void start(double seconds);  ///< from now; replaces a running one
    void stop();
    [[nodiscard]] bool running() const { return ev_is_active(&timer_); }

private:
    struct ev_loop* loop_;
    std::function<void()> on_timeout_;
    ev_timer timer_{};
};

/// Runs each time before the loop sleeps.
class PrepareWatch {
public:
    PrepareWatch(struct ev_loop* loop, std::function<void()> before_sleep);
    ~PrepareWatch();
    PrepareWatch(const PrepareWatch&) = delete;
    PrepareWatch& operator=(const PrepareWatch&) = delete;

private:
    struct ev_loop* loop_;
    std::function<void()> before_sleep_;
    ev_prepare prepare_{};
};

}  // namespace jailsvc::engine
