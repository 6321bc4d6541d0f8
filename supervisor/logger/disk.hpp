#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <mutex>

#include "base/clock.hpp"

namespace jailsvc::logger {

/// Who may touch the logger's state: its loop, but for the time of a call to a file system, which
/// may take as long as it likes. Meanwhile another thread may read on for it (see rescue.hpp).
class Disk {
public:
    /// Calls `call` without the lock; errno is as it left it.
    template <typename Call>
    auto use(const Call& call) {
        since_ns_ = boottime_ns();
        if (before_use) before_use();
        mutex_.unlock();
        auto result = call();
        const int code = errno;
        mutex_.lock();
        since_ns_ = 0;
        errno = code;
        return result;
    }
    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }

    /// For how long the call that is under way has been [ns]; 0: none is.
    [[nodiscard]] std::uint64_t used_for_ns() const {
        const std::uint64_t since = since_ns_;
        return since == 0 ? 0 : boottime_ns() - since;
    }

    std::function<void()> before_use;  ///< called each time, with the lock held

private:
    std::mutex mutex_;
    std::atomic<std::uint64_t> since_ns_ = 0;  ///< when the call began
};

}  // namespace jailsvc::logger
