#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace jailsvc {

/// Owns one open file descriptor; move-only. An empty Fd holds -1.
class Fd {
public:
    Fd() noexcept = default;
    explicit Fd(int raw) noexcept : raw_(raw) {}
    Fd(Fd&& other) noexcept : raw_(other.release()) {}
    Fd& operator=(Fd&& other) noexcept {
        Fd old(std::exchange(raw_, other.release()));  // closes what we held, now
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    /// Keeps errno, so that an error path may close before it reports. No retry on EINTR: Linux
    /// has freed the number already (close(2), NOTES).
    ~Fd() {
        const int saved = errno;
        if (raw_ >= 0) ::close(raw_);
        errno = saved;
    }
    [[nodiscard]] int get() const noexcept { return raw_; }
    [[nodiscard]] int release() noexcept { return std::exchange(raw_, -1); }
    [[nodiscard]] explicit operator bool() const noexcept { return raw_ >= 0; }

private:
    int raw_ = -1;
};

}  // namespace jailsvc
