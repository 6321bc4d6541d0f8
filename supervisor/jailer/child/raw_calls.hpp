#pragma once

#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

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

#if defined(__x86_64__)
inline long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    // The instruction overwrites rcx and r11 (x86-64 psABI, A.2.1).
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
inline long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "jailer: no system call convention for this machine"
#endif

}  // namespace detail

template <typename A = int, typename B = int, typename C = int, typename D = int, typename E = int,
          typename F = int>
inline long call(long number, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0, F f = 0) noexcept {
    using detail::as_word;
    return detail::call6(number, as_word(a), as_word(b), as_word(c), as_word(d), as_word(e),
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
