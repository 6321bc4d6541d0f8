#include "engine/sandbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/fd.hpp"

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

struct FilterRelease {
    void operator()(void* filter) const { ::seccomp_release(filter); }
};

Result<void> deny(void* filter, const char* name) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return {};  // this libseccomp is older than the call
    const int code = ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
    // -EDOM: the call does not exist on this architecture.
    if (code != 0 && code != -EDOM) return fail_errno(fmt::format("seccomp rule {}", name), -code);
    return {};
}

/// clone(2) for threads stays (a library may want one); for processes not. clone3 hides its flags
/// behind a pointer, so it does not exist: libc then takes clone (ENOSYS).
Result<void> deny_new_processes(void* filter) {
    constexpr scmp_datum_t kThread = 0x00010000;  // CLONE_THREAD
    const scmp_arg_cmp no_thread{
        .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = kThread, .datum_b = 0};
    int code =
        ::seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &no_thread);
    if (code == 0) {
        code = ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    }
    if (code != 0) return fail_errno("seccomp rule clone", -code);
    return {};
}

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
    const std::unique_ptr<void, FilterRelease> filter(::seccomp_init(SCMP_ACT_ALLOW));
    if (filter == nullptr) return fail("seccomp_init failed");
    for (const char* name : kDenied) TRY_VOID(deny(filter.get(), name));
    TRY_VOID(deny_new_processes(filter.get()));
    const int code = ::seccomp_load(filter.get());
    if (code != 0) return fail_errno("load the system call filter", -code);
    return {};
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
