#include "logger/sandbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/sys.hpp"
#include "base/syscall_filter.hpp"

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

Result<void> filter_system_calls() {
    TRY(SyscallFilter filter, SyscallFilter::make());
    TRY_VOID(filter.deny(kDenied));
    TRY_VOID(filter.deny_new_processes());
    return filter.load();
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
