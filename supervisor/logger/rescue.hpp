#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <memory>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "logger/disk.hpp"

namespace jailsvc::logger {

/// A thread that reads on while the loop waits for a disk: a call to a file system that takes long
/// (a disk that hangs, is worn, or far away) must not fill the pipes and stop the services. What it
/// reads goes to the rings, in memory. It wakes only while the logger is busy.
class Rescue {
public:
    /// `sweep` is called, with the disk's lock, again and again while a call takes too long.
    [[nodiscard]] static Result<std::unique_ptr<Rescue>> start(Disk& disk,
                                                               std::function<void()> sweep);
    ~Rescue();
    Rescue(const Rescue&) = delete;
    Rescue& operator=(const Rescue&) = delete;

private:
    Rescue(Disk& disk, std::function<void()> sweep, Fd timer)
        : disk_(disk), sweep_(std::move(sweep)), timer_(std::move(timer)) {}

    static void* thread(void* self);
    void work();
    [[nodiscard]] bool wait();
    void look_again_in(long ns);
    void arm();

    Disk& disk_;
    const std::function<void()> sweep_;
    const Fd timer_;
    pthread_t thread_{};
    std::atomic<bool> armed_ = false;
    std::atomic<bool> used_ = false;  ///< since the timer was set
    std::atomic<bool> stop_ = false;
};

}  // namespace jailsvc::logger
