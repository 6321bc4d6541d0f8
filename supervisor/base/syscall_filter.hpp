#pragma once

#include <fmt/format.h>
#include <seccomp.h>

#include <cerrno>
#include <memory>
#include <span>

#include "base/result.hpp"

namespace jailsvc {

/// What this process may not ask of the kernel (seccomp(2)); everything else passes. Refused calls
/// fail with EPERM, which shows up as an error in the log and not as a death. For programs that are
/// linked with libseccomp.
class SyscallFilter {
public:
    [[nodiscard]] static Result<SyscallFilter> make() {
        SyscallFilter made(::seccomp_init(SCMP_ACT_ALLOW));
        if (made.filter_ == nullptr) return fail("seccomp_init failed");
        return made;
    }

    [[nodiscard]] Result<void> deny(std::span<const char* const> calls) {
        for (const char* name : calls) {
            const int number = ::seccomp_syscall_resolve_name(name);
            if (number == __NR_SCMP_ERROR) continue;  // this libseccomp is older than the call
            const int code = ::seccomp_rule_add(filter_.get(), SCMP_ACT_ERRNO(EPERM), number, 0);
            TRY_VOID(added(name, code));
        }
        return {};
    }

    /// clone(2) for threads stays (a library may want one); for processes not. clone3 hides its
    /// flags behind a pointer, so it does not exist: libc then takes clone (ENOSYS).
    [[nodiscard]] Result<void> deny_new_processes() {
        constexpr scmp_datum_t kThread = 0x00010000;  // CLONE_THREAD
        const scmp_arg_cmp no_thread{
            .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = kThread, .datum_b = 0};
        TRY_VOID(added("clone", ::seccomp_rule_add_array(filter_.get(), SCMP_ACT_ERRNO(EPERM),
                                                         SCMP_SYS(clone), 1, &no_thread)));
        return added("clone3", ::seccomp_rule_add(filter_.get(), SCMP_ACT_ERRNO(ENOSYS),
                                                  SCMP_SYS(clone3), 0));
    }

    /// From now on, for this process and what comes of it.
    [[nodiscard]] Result<void> load() {
        const int code = ::seccomp_load(filter_.get());
        if (code != 0) return fail_errno("load the system call filter", -code);
        return {};
    }

private:
    explicit SyscallFilter(void* filter) : filter_(filter) {}
    static Result<void> added(const char* name, int code) {
        // -EDOM: the call does not exist on this architecture.
        if (code == 0 || code == -EDOM) return {};
        return fail_errno(fmt::format("seccomp rule {}", name), -code);
    }

    struct Release {
        void operator()(void* filter) const { ::seccomp_release(filter); }
    };
    std::unique_ptr<void, Release> filter_;
};

}  // namespace jailsvc
