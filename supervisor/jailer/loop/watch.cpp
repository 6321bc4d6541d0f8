#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {
namespace {

constexpr double kAgain = 0.01;  ///< [s] until a watch that the kernel refused is tried again

}  // namespace

void IoWatch::start(int fd, int events, std::function<void()> ready) {
    stop();
    ready_ = std::move(ready);
    ev_io_init(&io_, fire, fd, events);
    io_.data = this;
    ev_io_start(loop_, &io_);
}

void IoWatch::stop() noexcept {
    again_.reset();
    if (ev_is_active(&io_)) ev_io_stop(loop_, &io_);
}

void IoWatch::try_again() {
    ev_io_stop(loop_, &io_);  // as libev has, if it was it that told of the refusal
    again_ = std::make_unique<TimerWatch>(loop_);
    again_->start(kAgain, [this] {
        again_.reset();
        ev_io_start(loop_, &io_);
    });
}

void IoWatch::fire(struct ev_loop* /*loop*/, ev_io* io, int events) noexcept {
    if ((events & EV_ERROR) != 0) return static_cast<IoWatch*>(io->data)->try_again();
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

RefusalAlarm::RefusalAlarm(struct ev_loop* loop) noexcept : loop_(loop) {
    ev_async_init(&wake_, woken);
    ev_async_start(loop_, &wake_);
    ev_set_userdata(loop_, this);
    ev_set_loop_release_cb(loop_, before_sleep, nullptr);
}

RefusalAlarm::~RefusalAlarm() {
    ev_set_loop_release_cb(loop_, nullptr, nullptr);
    ev_async_stop(loop_, &wake_);
}

void RefusalAlarm::before_sleep(struct ev_loop* loop) noexcept {
    if (ev_pending_count(loop) == 0) return;
    ev_async_send(loop, &static_cast<RefusalAlarm*>(ev_userdata(loop))->wake_);
}

void RefusalAlarm::woken(struct ev_loop* /*loop*/, ev_async* /*async*/, int /*events*/) noexcept {}

}  // namespace jailsvc::jailer
