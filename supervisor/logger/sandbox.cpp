#include "logger/sandbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "base/fd.hpp"
#include "base/sys.hpp"

namespace jailsvc::logger {
namespace {

/// System calls that the logger has no use for and an intruder would.
constexpr const char* kDenied[] = {
    // other programs and processes
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kcmp", "kill", "tkill",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    // file systems and namespaces
    "mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_tree", "move_mount",
    "mount_setattr", "fsopen", "fsmount", "fsconfig", "fspick", "mknod", "mknodat", "quotactl",
    "swapon", "swapoff", "name_to_handle_at", "open_by_handle_at", "fanotify_init",
    // the kernel and the machine
    "bpf", "perf_event_open", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "reboot", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime",
    "sethostname", "setdomainname", "syslog", "acct", "iopl", "ioperm", "modify_ldt", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl",
    "personality", "mbind", "move_pages", "migrate_pages",
    // sockets: those it uses are there
    "socket", "socketpair", "bind", "listen", "accept", "accept4"};

struct FilterRelease {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};

Result<void> added(const char* name, int code) {
    // -EDOM: the call does not exist on this architecture.
    if (code != 0 && code != -EDOM) return fail_errno(fmt::format("seccomp rule {}", name), -code);
    return {};
}

/// clone(2) for threads stays; for processes not. clone3 hides its flags behind a pointer, so it
/// does not exist: libc then takes clone (ENOSYS).
Result<void> deny_new_processes(void* filter) {
    constexpr scmp_datum_t kThread = 0x00010000;  // CLONE_THREAD
    const scmp_arg_cmp no_thread{
        .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = kThread, .datum_b = 0};
    TRY_VOID(added("clone", ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone),
                                                     1, &no_thread)));
    return added("clone3", ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
}

Result<void> filter_system_calls() {
    const std::unique_ptr<void, FilterRelease> filter(::seccomp_init(SCMP_ACT_ALLOW));
    if (filter == nullptr) return fail("seccomp_init failed");
    for (const char* name : kDenied) {
        const int number = ::seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) continue;  // this libseccomp is older than the call
        TRY_VOID(added(name, ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0)));
    }
    TRY_VOID(deny_new_processes(filter.get()));
    const int code = ::seccomp_load(filter.get());
    if (code != 0) return fail_errno("load the system call filter", -code);
    return {};
}

/// landlock(7). Before version 2 no file could be renamed into another directory, as rotation does:
/// there, as without Landlock, file modes have to do.
Result<void> confine_files(const std::string& directory) {
    constexpr long kRefer = 2;
    const long version =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < kRefer) return {};
    constexpr std::uint64_t kLogs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                                    LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                                    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER;
    landlock_ruleset_attr rules{};
    rules.handled_access_fs = kLogs | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                              LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                              LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    const Fd ruleset(static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules.handled_access_fs, 0)));
    if (!ruleset) return fail_errno("landlock_create_ruleset");
    TRY(const Fd logs, sys::open(directory, O_PATH | O_DIRECTORY));
    landlock_path_beneath_attr rule{};
    rule.allowed_access = kLogs;
    rule.parent_fd = logs.get();
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) ==
        -1) {
        return fail_errno("landlock_add_rule");
    }
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == -1) {
        return fail_errno("landlock_restrict_self");
    }
    return {};
}

}  // namespace

Result<void> confine(const std::string& directory) {
    TRY_VOID(confine_files(directory));
    return filter_system_calls();
}

}  // namespace jailsvc::logger
