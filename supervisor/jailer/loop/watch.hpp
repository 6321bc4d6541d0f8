#pragma once

#include <ev.h>

#include <functional>
#include <memory>
#include <utility>

namespace jailsvc::jailer {

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

/// Calls a function whenever a descriptor is ready; stops when destroyed. The function may destroy
/// its own watch. Not movable: libev holds its address.
///
/// Where the kernel refuses to watch (epoll_ctl(2): ENOMEM, ENOSPC), libev stops the watch and
/// calls it with EV_ERROR; then it is tried again a little later, since whoever waits for the event
/// may have nothing else to wait for.
class IoWatch {
public:
    explicit IoWatch(struct ev_loop* loop) noexcept : loop_(loop) {}
    IoWatch(const IoWatch&) = delete;
    IoWatch& operator=(const IoWatch&) = delete;
    ~IoWatch() { stop(); }

    /// `events` are EV_READ and EV_WRITE; replaces what was watched before.
    void start(int fd, int events, std::function<void()> ready);
    void stop() noexcept;
    [[nodiscard]] bool active() const noexcept { return ev_is_active(&io_) || again_ != nullptr; }

private:
    void try_again();
    static void fire(struct ev_loop* loop, ev_io* io, int events) noexcept;
    struct ev_loop* loop_;
    ev_io io_{};
    std::function<void()> ready_;
    std::unique_ptr<TimerWatch> again_;  ///< after a refusal
};

/// Sees to it that a loop hears of EV_ERROR. libev finds out what it cannot watch when it is about
/// to sleep, and would tell only after something else has woken it (ev_run: fd_reify and then
/// backend_poll). Lives as long as the loop runs.
class RefusalAlarm {
public:
    explicit RefusalAlarm(struct ev_loop* loop) noexcept;
    RefusalAlarm(const RefusalAlarm&) = delete;
    RefusalAlarm& operator=(const RefusalAlarm&) = delete;
    ~RefusalAlarm();

private:
    static void before_sleep(struct ev_loop* loop) noexcept;
    static void woken(struct ev_loop* loop, ev_async* async, int events) noexcept;
    struct ev_loop* loop_;
    ev_async wake_{};
};

}  // namespace jailsvc::jailer
