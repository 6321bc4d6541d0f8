#pragma once

#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/raw_call.hpp"

/// [child] System calls without libc in between: no errno (it is thread-local), no cancellation
/// point, nothing that could take a lock the jailer held at the clone. Each returns the kernel's
/// own result: negative errno on failure.
namespace jailsvc::jailer::raw {

namespace detail {

inline long as_word(const volatile void* pointer) noexcept {
    return static_cast<long>(reinterpret_cast<std::uintptr_t>(pointer));
}
inline long as_word(std::nullptr_t) noexcept {
    return 0;
}
template <typename Integer>
inline long as_word(Integer value) noexcept
    requires std::is_integral_v<Integer> || std::is_enum_v<Integer>
{
    return static_cast<long>(value);
}

}  // namespace detail

template <typename A = int, typename B = int, typename C = int, typename D = int, typename E = int,
          typename F = int>
inline long call(long number, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0) noexcept {
    using detail::as_word;
    return jailsvc::raw::call6(number, as_word(a), as_word(b), as_word(c), as_word(d), as_word(e),
                               as_word(f));
}

/// For calls whose good result is an int: a descriptor, a count below 2^31, or 0.
template <typename... Arguments>
inline int call_int(long number, Arguments... arguments) noexcept {
    return static_cast<int>(call(number, arguments...));
}

inline int close(int fd) noexcept {
    return call_int(SYS_close, fd);
}

inline int openat2(int dir, const char* path, std::uint64_t flags, std::uint64_t resolve) noexcept {
    open_how how{};
    how.flags = flags;
    how.resolve = resolve;
    return call_int(SYS_openat2, dir, path, &how, sizeof how);
}

[[noreturn]] inline void exit_now(int status) noexcept {
    for (;;) call(SYS_exit_group, status);
}

/// A descriptor of the child; closes at the end of its scope.
class Handle {
public:
    explicit Handle(int fd) noexcept : fd_(fd) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        if (fd_ >= 0) raw::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] bool ok() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept {
        const int fd = fd_;
        fd_ = -1;
        return fd;
    }
    void reset(int fd) noexcept {
        if (fd_ >= 0) raw::close(fd_);
        fd_ = fd;
    }

private:
    int fd_;
};

}  // namespace jailsvc::jailer::raw
