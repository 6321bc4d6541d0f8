#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {

void IoWatch::start(int fd, int events, std::function<void()> ready) {
    stop();
    ready_ = std::move(ready);
    ev_io_init(&io_, fire, fd, events);
    io_.data = this;
    ev_io_start(loop_, &io_);
}

void IoWatch::stop() noexcept {
    if (ev_is_active(&io_)) ev_io_stop(loop_, &io_);
}

void IoWatch::fire(struct ev_loop* /*loop*/, ev_io* io, int /*events*/) noexcept {
    const auto ready = static_cast<IoWatch*>(io->data)->ready_;  // a copy: it may destroy the watch
    ready();
}

void TimerWatch::start(double seconds, std::function<void()> elapsed) {
    stop();
    elapsed_ = std::move(elapsed);
    ev_timer_init(&timer_, fire, seconds, 0.);
    timer_.data = this;
    ev_now_update(loop_);  // the timer counts from now, not from when the loop woke
    ev_timer_start(loop_, &timer_);
}

void TimerWatch::stop() noexcept {
    if (ev_is_active(&timer_)) ev_timer_stop(loop_, &timer_);
}

void TimerWatch::fire(struct ev_loop* /*loop*/, ev_timer* timer, int /*events*/) noexcept {
    const auto elapsed = static_cast<TimerWatch*>(timer->data)->elapsed_;
    elapsed();
}

}  // namespace jailsvc::jailer
