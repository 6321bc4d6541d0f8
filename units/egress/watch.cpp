#include "egress/watch.hpp"

namespace jailsvc::egress {

void IoWatch::start(int fd, int events, std::function<void(int)> ready) {
    stop();
    fd_ = fd;
    ready_ = std::move(ready);
    want(events);
}

void IoWatch::want(int events) {
    if (events == events_) return;
    if (events_ != 0) ev_io_stop(loop_, &io_);
    events_ = events;
    if (events == 0) return;
    ev_io_init(&io_, fire, fd_, events);
    io_.data = this;
    ev_io_start(loop_, &io_);
}

void IoWatch::stop() noexcept {
    if (events_ != 0) ev_io_stop(loop_, &io_);
    events_ = 0;
    fd_ = -1;
}

void IoWatch::fire(struct ev_loop* /*loop*/, ev_io* io, int events) noexcept {
    const auto call = static_cast<IoWatch*>(io->data)->ready_;  // which may destroy the watch
    call(events);
}

void TimerWatch::start(double seconds, std::function<void()> elapsed) {
    stop();
    elapsed_ = std::move(elapsed);
    // The loop's time is that of its last sleep; a timer counts from now.
    ev_now_update(loop_);
    ev_timer_init(&timer_, fire, seconds, 0.);
    timer_.data = this;
    ev_timer_start(loop_, &timer_);
}

void TimerWatch::stop() noexcept {
    if (ev_is_active(&timer_) || ev_is_pending(&timer_)) ev_timer_stop(loop_, &timer_);
}

void TimerWatch::fire(struct ev_loop* /*loop*/, ev_timer* timer, int /*events*/) noexcept {
    const auto call = static_cast<TimerWatch*>(timer->data)->elapsed_;
    call();
}

}  // namespace jailsvc::egress
