#include "calls.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <seccomp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "tracer.hpp"

namespace jailsvc::faults {
namespace {

using Numbers = std::vector<std::uint16_t>;

bool is_in(std::uint16_t number, const Numbers& numbers) {
    return std::ranges::find(numbers, number) != numbers.end();
}

/// By their manuals these return no error, or one that changes nothing: close(2) has freed the
/// number whatever it answers, and not to make it would be a leak that no kernel brings about.
const Numbers& infallible() {
    static const Numbers numbers{
        SYS_exit,
        SYS_exit_group,
        SYS_rt_sigreturn,
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_restart_syscall,
        SYS_close,
        SYS_getpid,
        SYS_gettid,
        SYS_getppid,
        SYS_getuid,
        SYS_geteuid,
        SYS_getgid,
        SYS_getegid,
        SYS_umask,
        SYS_sched_yield,
        SYS_brk,
        SYS_munmap,
        SYS_clock_gettime,
        SYS_set_tid_address,
        SYS_futex,
        SYS_madvise,
        SYS_rseq,
        SYS_set_robust_list,
        SYS_rt_sigpending,
        SYS_uname,
        SYS_getpgid,
#ifdef SYS_getpgrp
        SYS_getpgrp,
        SYS_arch_prctl,
        SYS_pause,
#endif
    };
    return numbers;
}

/// Errors of calls that have other than the usual ones.
struct Own {
    std::uint16_t number;
    std::vector<int> errors;
};
const std::vector<Own>& own_errors() {
    static const std::vector<Own> table{
        {SYS_epoll_pwait, {EINTR}},
#ifdef SYS_epoll_wait
        {SYS_epoll_wait, {EINTR}},
        {SYS_poll, {EINTR, ENOMEM}},
#endif
        {SYS_ppoll, {EINTR, ENOMEM}},
        {SYS_epoll_ctl, {ENOMEM, ENOSPC}},
        {SYS_recvmsg, {EINTR, EAGAIN, ENOMEM}},
        {SYS_recvfrom, {EINTR, EAGAIN, ENOMEM}},
        {SYS_sendmsg, {EINTR, EAGAIN, ENOMEM, ENOBUFS, EPERM}},
        {SYS_sendto, {EINTR, EAGAIN, ENOMEM, ENOBUFS, EPERM}},
        {SYS_waitid, {EINTR}},
        {SYS_wait4, {EINTR}},
        {SYS_mmap, {ENOMEM}},
        {SYS_mremap, {ENOMEM}},
        {SYS_mprotect, {ENOMEM}},
        {SYS_clone3, {EPERM, ENOMEM, EAGAIN, ENOSPC}},
        {SYS_clone, {EPERM, ENOMEM, EAGAIN, ENOSPC}},
    };
    return table;
}

bool makes_descriptor(std::uint16_t number, std::uint64_t variant) {
    static const Numbers numbers{
        SYS_openat,
        SYS_openat2,
        SYS_socket,
        SYS_socketpair,
        SYS_pipe2,
        SYS_dup,
        SYS_dup3,
        SYS_open_tree,
        SYS_fsopen,
        SYS_fsmount,
        SYS_epoll_create1,
        SYS_eventfd2,
        SYS_signalfd4,
        SYS_accept4,
        SYS_timerfd_create,
        SYS_memfd_create,
        SYS_pidfd_open,
        SYS_inotify_init1,
        SYS_landlock_create_ruleset,
#ifdef SYS_open
        SYS_open,
        SYS_dup2,
#endif
    };
    return is_in(number, numbers) ||
           (number == SYS_fcntl && (variant == F_DUPFD || variant == F_DUPFD_CLOEXEC));
}

bool waits(std::uint16_t number) {
    static const Numbers numbers{SYS_read,     SYS_write,   SYS_openat,  SYS_openat2, SYS_pread64,
                                 SYS_pwrite64, SYS_connect, SYS_accept4, SYS_setns};
    return is_in(number, numbers);
}

bool can_be_put_off(std::uint16_t number) {
    static const Numbers numbers{SYS_read, SYS_write, SYS_accept4};
    return is_in(number, numbers);
}

bool takes_room(std::uint16_t number) {
    static const Numbers numbers{
        SYS_openat,     SYS_openat2,   SYS_mkdirat,   SYS_mknodat,   SYS_symlinkat,
        SYS_linkat,     SYS_renameat2, SYS_write,     SYS_mount,     SYS_fsconfig,
        SYS_move_mount, SYS_open_tree, SYS_ftruncate, SYS_fallocate, SYS_unshare,
#ifdef SYS_mkdir
        SYS_mkdir,      SYS_rename,    SYS_open,
#endif
    };
    return is_in(number, numbers);
}

}  // namespace

std::uint64_t variant_of(std::uint16_t number, std::uint64_t first, std::uint64_t second) {
    switch (number) {
        case SYS_prctl:
        case SYS_keyctl:
        case SYS_seccomp:
            return first;
        case SYS_fcntl:
        case SYS_ioctl:
        case SYS_epoll_ctl:
        case SYS_fsconfig:
            return second & 0xffffffff;
        default:
            return 0;
    }
}

int path_argument(std::uint16_t number) {
    static const Numbers first{
        SYS_mount + 0, SYS_chdir,  SYS_umount2, SYS_statfs,
#ifdef SYS_open
        SYS_open,      SYS_mkdir,  SYS_rename,  SYS_access, SYS_readlink,
        SYS_rmdir,     SYS_unlink, SYS_stat,    SYS_lstat,
#endif
    };
    static const Numbers second{SYS_openat,     SYS_openat2,   SYS_mkdirat,       SYS_mknodat,
                                SYS_newfstatat, SYS_statx,     SYS_open_tree,     SYS_unlinkat,
                                SYS_readlinkat, SYS_faccessat, SYS_mount_setattr, SYS_fchownat,
                                SYS_faccessat2, SYS_symlinkat, SYS_renameat2};
    if (is_in(number, first)) return 0;
    return is_in(number, second) ? 1 : -1;
}

bool is_about_descriptor(std::uint16_t number) {
    static const Numbers numbers{SYS_read,  SYS_write, SYS_pread64, SYS_getdents64,
                                 SYS_fstat, SYS_fcntl, SYS_ioctl,   SYS_lseek};
    return is_in(number, numbers);
}

std::vector<int> errors_of(std::uint16_t number, std::uint64_t variant) {
    if (is_in(number, infallible())) return {};
    for (const Own& own : own_errors()) {
        if (own.number == number) return own.errors;
    }
    std::vector<int> errors{EPERM, ENOMEM};
    if (makes_descriptor(number, variant)) errors.push_back(EMFILE);
    if (waits(number)) errors.push_back(EINTR);
    if (can_be_put_off(number)) errors.push_back(EAGAIN);
    if (takes_room(number)) errors.push_back(ENOSPC);
    return errors;
}

std::string to_text(const CallId& id) {
    static constexpr std::array<const char*, 5> kRoles{"jailer", "helper", "stub", "init",
                                                       "program"};
    char* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, id.number);
    const std::string call = name != nullptr ? name : fmt::format("call {}", id.number);
    ::free(name);  // NOLINT: the library's own allocation
    const std::string role = kRoles.at(static_cast<std::size_t>(id.role));
    return id.variant == 0 ? fmt::format("{}: {}", role, call)
                           : fmt::format("{}: {}({})", role, call, id.variant);
}

std::string to_text(const Site& site) {
    return fmt::format("{} #{}", to_text(site.id), site.nth);
}

}  // namespace jailsvc::faults
