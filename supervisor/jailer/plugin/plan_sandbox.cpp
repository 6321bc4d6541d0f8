#include "jailer/plugin/plan_sandbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr uid_t kWorkerUid = 62997;  ///< numeric, beside the engine's and the logger's
constexpr rlim_t kProcessorSeconds = 2;
constexpr rlim_t kFiles = 64;
// The sanitizers reserve terabytes of addresses for their shadow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr rlim_t kAddressSpace = RLIM_INFINITY;
#else
constexpr rlim_t kAddressSpace = rlim_t{512} << 20;
#endif

/// Memory, time, reading of files, ending. No sockets, processes, signals to others, mounts.
constexpr int kAllowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getcwd),
    SCMP_SYS(fcntl),
    SCMP_SYS(fadvise64),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getgroups),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrlimit),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(pipe2),  // the one way by which libseccomp hands out a program
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    // They write to a pipe to learn whether an address can be read.
    SCMP_SYS(pipe),
#endif
};

struct FreeFilter {
    void operator()(void* context) const { ::seccomp_release(context); }
};
using Filter = std::unique_ptr<void, FreeFilter>;

/// Calls that are allowed with certain arguments only.
int add_conditional(scmp_filter_ctx context) {
    constexpr std::uint64_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC;  // all clear: O_RDONLY
    const scmp_arg_cmp open_flags = SCMP_A1(SCMP_CMP_MASKED_EQ, kWriting, 0);
    const scmp_arg_cmp openat_flags = SCMP_A2(SCMP_CMP_MASKED_EQ, kWriting, 0);
    const scmp_arg_cmp no_new_limit = SCMP_A2(SCMP_CMP_EQ, 0);
    const scmp_arg_cmp abort_only = SCMP_A2(SCMP_CMP_EQ, SIGABRT);
    int code = ::seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, open_flags);
    if (code == 0) {
        code = ::seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, openat_flags);
    }
    if (code == 0) {
        code = ::seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, no_new_limit);
    }
    if (code == 0) {
        code = ::seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, abort_only);
    }
    return code;
}

/// EPERM for the rest, not a kill: the C library tries a socket to its name-service cache, say,
/// and goes on to the files when it gets none.
Result<Filter> make_filter() {
    Filter filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)));
    if (!filter) return fail("plan worker: seccomp_init failed");
    int code = add_conditional(filter.get());
    for (const int call : kAllowed) {
        if (code == 0) code = ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
    }
    if (code != 0) return fail_errno("plan worker: seccomp rule", -code);
    return filter;
}

Result<void> limit(__rlimit_resource resource, rlim_t soft, rlim_t hard) {
    rlimit now{};
    if (::getrlimit(resource, &now) == -1) return fail_errno("plan worker: getrlimit");
    const rlimit lowered{.rlim_cur = std::min(soft, now.rlim_max),
                         .rlim_max = std::min(hard, now.rlim_max)};
    if (::setrlimit(resource, &lowered) == -1) return fail_errno("plan worker: setrlimit");
    return {};
}

Result<void> set_limits() {
    // At the soft limit comes SIGXCPU, which says why; at the hard one SIGKILL (setrlimit(2)).
    TRY_VOID(limit(RLIMIT_CPU, kProcessorSeconds, kProcessorSeconds + 1));
    TRY_VOID(limit(RLIMIT_AS, kAddressSpace, kAddressSpace));
    TRY_VOID(limit(RLIMIT_NOFILE, kFiles, kFiles));
    TRY_VOID(limit(RLIMIT_FSIZE, 0, 0));
    return limit(RLIMIT_CORE, 0, 0);
}

Result<void> drop_root() {
    if (::geteuid() != 0) return {};
    if (::setgroups(0, nullptr) == -1) return fail_errno("plan worker: setgroups");
    if (::setresgid(kWorkerUid, kWorkerUid, kWorkerUid) == -1) {
        return fail_errno("plan worker: setresgid");
    }
    if (::setresuid(kWorkerUid, kWorkerUid, kWorkerUid) == -1) {
        return fail_errno("plan worker: setresuid");
    }
    return {};
}

/// A process that is not root may have capabilities all the same. The bounding set stays: plugins
/// read from it what the supervisor could give.
Result<void> drop_capabilities() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capset, &header, none) == -1) return fail_errno("plan worker: capset");
    return {};
}

}  // namespace

Result<PlanSandbox> PlanSandbox::make() {
    TRY(const Filter filter, make_filter());
    const Fd file(::memfd_create("plan-filter", MFD_CLOEXEC));
    if (!file) return fail_errno("plan worker: memfd_create");
    const int code = ::seccomp_export_bpf(filter.get(), file.get());
    if (code != 0) return fail_errno("plan worker: compile the filter", -code);
    TRY(const std::string bytes, sys::read_memfd(file.get()));
    PlanSandbox sandbox;
    sandbox.filter_.resize(bytes.size() / sizeof(sock_filter));
    std::ranges::copy(bytes, reinterpret_cast<char*>(sandbox.filter_.data()));
    return sandbox;
}

Result<void> PlanSandbox::enter() const {
    TRY_VOID(set_limits());
    TRY_VOID(drop_root());
    TRY_VOID(drop_capabilities());
    // The change of uid has cleared it (prctl(2)).
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
        return fail_errno("plan worker: PR_SET_PDEATHSIG");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
        return fail_errno("plan worker: PR_SET_NO_NEW_PRIVS");
    }
    const sock_fprog program{.len = static_cast<unsigned short>(filter_.size()),
                             .filter = const_cast<sock_filter*>(filter_.data())};
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1) {
        return fail_errno("plan worker: PR_SET_SECCOMP");
    }
    return {};
}

}  // namespace jailsvc::jailer
