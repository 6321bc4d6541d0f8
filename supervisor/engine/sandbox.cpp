#include "engine/sandbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include "base/fd.hpp"
#include "base/syscall_filter.hpp"

namespace jailsvc::engine {
namespace {

/// System calls that the engine has no use for and an intruder would.
constexpr const char* kDenied[] = {
    // other programs and processes
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "kcmp",
    "kill",
    "tkill",
    "pidfd_send_signal",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    // file systems and namespaces
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "open_tree",
    "move_mount",
    "mount_setattr",
    "fsopen",
    "fsmount",
    "fsconfig",
    "fspick",
    "mknod",
    "mknodat",
    "quotactl",
    "swapon",
    "swapoff",
    "name_to_handle_at",
    "open_by_handle_at",
    "fanotify_init",
    // the kernel and the machine
    "bpf",
    "perf_event_open",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "sethostname",
    "setdomainname",
    "syslog",
    "acct",
    "iopl",
    "ioperm",
    "modify_ldt",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "request_key",
    "keyctl",
    "personality",
    "mbind",
    "move_pages",
    "migrate_pages",
    // the network: every socket it uses was made by others
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
};

Result<void> drop_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) == -1) return fail_errno("capset");
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1) {
        return fail_errno("clear the ambient capabilities");
    }
    return {};
}

Result<void> take_own_uid() {
    if (::setgroups(0, nullptr) == -1) return fail_errno("setgroups");
    if (::setresgid(kEngineUid, kEngineUid, kEngineUid) == -1) return fail_errno("setresgid");
    if (::setresuid(kEngineUid, kEngineUid, kEngineUid) == -1) return fail_errno("setresuid");
    return {};
}

}  // namespace

Result<void> drop_privileges() {
    if (::geteuid() == 0) TRY_VOID(take_own_uid());
    TRY_VOID(drop_capabilities());
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) return fail_errno("no_new_privs");
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) == -1) return fail_errno("RLIMIT_CORE");
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) return fail_errno("PR_SET_DUMPABLE");
    return {};
}

Result<void> filter_system_calls() {
    TRY(SyscallFilter filter, SyscallFilter::make());
    TRY_VOID(filter.deny(kDenied));
    TRY_VOID(filter.deny_new_processes());
    return filter.load();
}

namespace {

/// Files may be made and written there, but for that nothing; a directory that is not there needs
/// no leave.
Result<void> let_write(int ruleset, const std::string& directory) {
    const Fd dir(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!dir) return {};
    landlock_path_beneath_attr rule{};
    rule.allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;
    rule.parent_fd = dir.get();
    if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == -1) {
        return fail_errno("landlock_add_rule");
    }
    return {};
}

}  // namespace

Result<bool> deny_file_changes(const std::string& writable) {
    const long version =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) return false;
    landlock_ruleset_attr rules{};
    rules.handled_access_fs =
        LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
        LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
        LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
        LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
    const Fd ruleset(static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules.handled_access_fs, 0)));
    if (!ruleset) return fail_errno("landlock_create_ruleset");
    TRY_VOID(let_write(ruleset.get(), writable));
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == -1) {
        return fail_errno("landlock_restrict_self");
    }
    return true;
}

}  // namespace jailsvc::engine
