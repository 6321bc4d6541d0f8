#include "engine/loop.hpp"

#include <utility>

namespace jailsvc::engine {
namespace {

template <typename Owner, typename Watcher>
Owner* owner_of(Watcher* watcher) noexcept {
    return static_cast<Owner*>(watcher->data);
}

}  // namespace

IoWatch::IoWatch(struct ev_loop* loop, std::function<void(int)> on_event)
    : loop_(loop), on_event_(std::move(on_event)) {
    ev_init(&io_, ([](struct ev_loop*, ev_io* io, int events) noexcept {
        owner_of<IoWatch>(io)->on_event_(events);
    }));
    io_.data = this;
}

void IoWatch::watch(int fd, int events) {
    if (ev_is_active(&io_) && io_.fd == fd && (io_.events & (EV_READ | EV_WRITE)) == events) return;
    ev_io_stop(loop_, &io_);
    ev_io_set(&io_, fd, events);
    ev_io_start(loop_, &io_);
}

void IoWatch::stop() {
    ev_io_stop(loop_, &io_);
}

TimerWatch::TimerWatch(struct ev_loop* loop, std::function<void()> on_timeout)
    : loop_(loop), on_timeout_(std::move(on_timeout)) {
    ev_init(&timer_, ([](struct ev_loop*, ev_timer* timer, int) noexcept {
        const auto call = owner_of<TimerWatch>(timer)->on_timeout_;  // it may destroy the watch
        call();
    }));
    // Within one turn of the loop what has come already is heard before anybody's time is up.
    ev_set_priority(&timer_, EV_MINPRI);
    timer_.data = this;
}

void TimerWatch::start(double seconds) {
    ev_timer_stop(loop_, &timer_);
    ev_now_update(loop_);  // the loop's clock stands still while callbacks run
    ev_timer_set(&timer_, seconds, 0.);
    ev_timer_start(loop_, &timer_);
}

void TimerWatch::stop() {
    ev_timer_stop(loop_, &timer_);
}

PrepareWatch::PrepareWatch(struct ev_loop* loop, std::function<void()> before_sleep)
    : loop_(loop), before_sleep_(std::move(before_sleep)) {
    ev_prepare_init(&prepare_, ([](struct ev_loop*, ev_prepare* prepare, int) noexcept {
        owner_of<PrepareWatch>(prepare)->before_sleep_();
    }));
    prepare_.data = this;
    ev_prepare_start(loop_, &prepare_);
}

PrepareWatch::~PrepareWatch() {
    ev_prepare_stop(loop_, &prepare_);
}

}  // namespace jailsvc::engine
