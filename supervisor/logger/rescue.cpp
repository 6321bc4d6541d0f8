#include "logger/rescue.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <memory>

namespace jailsvc::logger {
namespace {

constexpr std::size_t kStack = 128 * 1024;
constexpr long kTooLong = 50'000'000;  ///< for a call to a file system [ns]
constexpr long kBetween = 5'000'000;   ///< sweeps, while it lasts [ns]

}  // namespace

Result<std::unique_ptr<Rescue>> Rescue::start(Disk& disk, std::function<void()> sweep) {
    Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    if (!timer) return fail_errno("timerfd_create");
    std::unique_ptr<Rescue> rescue(new Rescue(disk, std::move(sweep), std::move(timer)));
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, kStack);
    const int code = ::pthread_create(&rescue->thread_, &attributes, thread, rescue.get());
    ::pthread_attr_destroy(&attributes);
    if (code != 0) {
        rescue->thread_ = {};
        return fail_errno("make a thread", code);
    }
    disk.before_use = [raw = rescue.get()] { raw->arm(); };
    return rescue;
}

Rescue::~Rescue() {
    if (thread_ == pthread_t{}) return;
    disk_.before_use = nullptr;
    stop_ = true;
    look_again_in(1);
    ::pthread_join(thread_, nullptr);
}

/// In the loop, before a call. Cheap while the timer runs.
void Rescue::arm() {
    used_ = true;
    if (!armed_.exchange(true)) look_again_in(kTooLong);
}

void Rescue::look_again_in(long ns) {
    const itimerspec when{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = ns}};
    ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

bool Rescue::wait() {
    std::uint64_t expired = 0;
    while (::read(timer_.get(), &expired, sizeof expired) == -1 && errno == EINTR) {
    }
    return !stop_;
}

void* Rescue::thread(void* self) {
    static_cast<Rescue*>(self)->work();
    return nullptr;
}

void Rescue::work() {
    while (wait()) {
        if (disk_.used_for_ns() >= kTooLong) {
            disk_.lock();
            // It may have come back while we waited for the lock.
            if (disk_.used_for_ns() >= kTooLong) sweep_();
            disk_.unlock();
            look_again_in(kBetween);
        } else if (used_.exchange(false) || disk_.used_for_ns() > 0) {
            look_again_in(kTooLong);
        } else {
            armed_ = false;
            // A call that began before it could see this.
            if (used_ && !armed_.exchange(true)) look_again_in(kTooLong);
        }
    }
}

}  // namespace jailsvc::logger
