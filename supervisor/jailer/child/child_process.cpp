// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_process.hpp"

#include <fcntl.h>
#include <jailsvc_plugin.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <cerrno>

#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

using About = GateReport::About;

Outcome outcome(long result, About about = About::kWhole) noexcept {
    return {result < 0 ? static_cast<int>(-result) : 0, about};
}

/// The kernel's struct rlimit64; glibc's has the same form on 64-bit machines only.
struct Limit {
    std::uint64_t soft, hard;
};

Outcome set_limit(const ChildOp& op) noexcept {
    const Limit limit{op.number[1], op.number[2]};
    return outcome(raw::call(SYS_prlimit64, 0, op.number[0], &limit, nullptr));
}

Outcome set_oom_score(const ChildOp& op) noexcept {
    char text[8];
    char* at = text + sizeof text;
    const auto wanted =
        static_cast<std::int32_t>(op.number[0]);  // either width of two's complement
    std::uint32_t rest = static_cast<std::uint32_t>(wanted < 0 ? -wanted : wanted);
    if (rest > 1000) return {ERANGE, About::kWhole};
    do {
        *--at = static_cast<char>('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (wanted < 0) *--at = '-';
    const raw::Handle file(raw::openat2(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC,
                                        RESOLVE_NO_MAGICLINKS));
    if (!file.ok()) return outcome(file.get(), About::kTarget);
    return outcome(raw::call(SYS_write, file.get(), at, text + sizeof text - at));
}

/// From outside a uts namespace cannot be read (sysctls answer for the reader's own), so whoever
/// enters checks it.
Outcome check_hostname(const ChildOp& op) noexcept {
    utsname name{};
    if (const long code = raw::call(SYS_uname, &name); code < 0) return outcome(code);
    const char* wanted = op.text[0];
    for (const char c : name.nodename) {
        if (c != *wanted) return {kNotHeld, About::kReadBack};
        if (c == '\0') break;
        ++wanted;
    }
    return {};
}

int set_capabilities(std::uint64_t permitted, std::uint64_t inheritable) noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (unsigned half = 0; half < 2; ++half) {
        data[half].permitted = static_cast<std::uint32_t>(permitted >> (32 * half));
        data[half].effective = data[half].permitted;
        data[half].inheritable = static_cast<std::uint32_t>(inheritable >> (32 * half));
    }
    return raw::call_int(SYS_capset, &header, data);
}

/// Reading is several times cheaper than dropping, which copies the credentials each time. EINVAL
/// is the end of what this kernel knows.
int drop_bounding(std::uint64_t keep) noexcept {
    for (unsigned capability = 0; capability < 64; ++capability) {
        const int held = raw::call_int(SYS_prctl, PR_CAPBSET_READ, capability, 0, 0, 0);
        if (held < 0) return held == -EINVAL ? 0 : held;
        if (held == 0 || ((keep >> capability) & 1) != 0) continue;
        const int code = raw::call_int(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0);
        if (code < 0) return code;
    }
    return 0;
}

/// Whoever enters a user namespace has every capability in his bounding set again
/// (user_namespaces(7)). Everybody else has it behind him when his jail stands.
bool fills_bounding(const ProgramJob& job) noexcept {
    return (job.enter & CLONE_NEWUSER) != 0;
}

int raise_ambient(std::uint64_t set) noexcept {
    int code = raw::call_int(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned capability = 0; capability < 64 && code >= 0; ++capability) {
        if (((set >> capability) & 1) == 0) continue;
        code = raw::call_int(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    }
    return code;
}

/// Capabilities are kept over the change of uid by PR_SET_KEEPCAPS, in the permitted set only.
int set_ids(const ProgramJob& job, const ChildOp& op) noexcept {
    const bool dynamic = (op.flags & JSV_IDS_DYNAMIC) != 0;
    const auto uid = dynamic ? job.uid : static_cast<uid_t>(op.number[0]);
    const auto gid = dynamic ? job.gid : static_cast<gid_t>(op.number[1]);
    int code = raw::call_int(SYS_setgroups, op.blob_size / sizeof(std::uint32_t), op.blob);
    if (code >= 0) code = raw::call_int(SYS_setresgid, gid, gid, gid);
    if (code >= 0) code = raw::call_int(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (code >= 0) code = raw::call_int(SYS_setresuid, uid, uid, uid);
    return code;
}

/// PR_SET_KEEPCAPS is itself a securebit and is cleared at the exec (capabilities(7)).
Outcome set_securebits(std::uint64_t wanted) noexcept {
    const int code = raw::call_int(SYS_prctl, PR_SET_SECUREBITS, wanted, 0, 0, 0);
    if (code < 0) return outcome(code);
    const long now = raw::call(SYS_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0);
    if (now < 0) return outcome(now);
    return {static_cast<std::uint64_t>(now) == wanted ? 0 : kNotHeld, About::kReadBack};
}

const ChildOp* find_op(const ProgramJob& job, jsv_kind kind) noexcept {
    for (const ChildOp* op = job.ops; op != job.ops + job.count; ++op) {
        if (op->kind == kind) return op;
    }
    return nullptr;
}

/// Both halves of the last permitted set: the wanted one, and while securebits are still to be set
/// CAP_SETPCAP.
int settle_capabilities(const ChildOp& op, bool keep_setpcap) noexcept {
    const std::uint64_t extra = keep_setpcap ? 1ULL << CAP_SETPCAP : 0;
    const int code = set_capabilities(op.number[1] | op.number[2] | extra, op.number[2]);
    return code < 0 ? code : raise_ambient(op.number[2]);
}

}  // namespace

Outcome apply_before_entry(const ProgramJob& job, const ChildOp& op) noexcept {
    if (op.kind == JSV_OP_RLIMIT) return set_limit(op);
    if (op.kind == JSV_OP_OOM_SCORE) return set_oom_score(op);
    if (op.kind == JSV_OP_NICE) {
        const auto value = static_cast<std::int32_t>(op.number[0]);
        return outcome(raw::call(SYS_setpriority, PRIO_PROCESS, 0, value));
    }
    if (op.kind == JSV_OP_CAPABILITIES && !fills_bounding(job)) {
        return outcome(drop_bounding(op.number[0]));
    }
    return {};
}

Outcome apply_inside(const ChildOp& op) noexcept {
    if (op.kind == JSV_OP_HOSTNAME) return check_hostname(op);
    if (op.kind == JSV_OP_UMASK) {
        raw::call(SYS_umask, op.number[0]);  // cannot fail (umask(2))
    }
    return {};
}

StepOutcome apply_identity(const ProgramJob& job) noexcept {
    const ChildOp* ids = find_op(job, JSV_OP_IDS);
    const ChildOp* capabilities = find_op(job, JSV_OP_CAPABILITIES);
    const ChildOp* securebits = find_op(job, JSV_OP_SECUREBITS);
    if (capabilities != nullptr && fills_bounding(job)) {
        const int code = drop_bounding(capabilities->number[0]);
        if (code < 0) return {capabilities->index, outcome(code)};
    }
    if (ids != nullptr) {
        if (const int code = set_ids(job, *ids); code < 0) return {ids->index, outcome(code)};
    }
    if (capabilities != nullptr) {
        const int code = settle_capabilities(*capabilities, securebits != nullptr);
        if (code < 0) return {capabilities->index, outcome(code)};
    }
    if (securebits != nullptr) {
        const Outcome set = set_securebits(securebits->number[0]);
        if (!set.ok()) return {securebits->index, set};
    }
    if (capabilities != nullptr && securebits != nullptr) {
        const int code = set_capabilities(capabilities->number[1] | capabilities->number[2],
                                          capabilities->number[2]);
        if (code < 0) return {capabilities->index, outcome(code)};
    }
    return {};
}

Outcome apply_lockdown(const ChildOp& op) noexcept {
    if (op.kind != JSV_OP_NO_NEW_PRIVS) return {};
    return outcome(raw::call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/// Before the change of ids: as the service's user a full quota, which that user can bring about,
/// would keep the service from starting. Possession alone then gives rights to it, so that no other
/// process of root's uid can look into it.
Outcome leave_session_keyring() noexcept {
    constexpr unsigned kPossessorAll = 0x3f000000;  // KEY_POS_ALL of the kernel's linux/key.h
    long code = raw::call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    if (code == -ENOSYS) return {};  // a kernel without keys
    if (code >= 0) {
        code = raw::call(SYS_keyctl, KEYCTL_SETPERM, KEY_SPEC_SESSION_KEYRING, kPossessorAll);
    }
    return outcome(code);
}

/// It stays uid 0: as any other user a process of that user outside could kill it, and with it the
/// jail. Without capabilities, and with no_new_privs, which takes from the exec what uid 0 would
/// gain by it (capabilities(7); cap_bprm_creds_from_file intersects with what was held), uid 0
/// means no privilege. That also makes 41 drops from the bounding set needless.
Outcome lock_stub() noexcept {
    const Limit no_core{0, 0}, few_files{16, 16};
    long code = raw::call(SYS_prlimit64, 0, RLIMIT_CORE, &no_core, nullptr);
    if (code >= 0) code = raw::call(SYS_prlimit64, 0, RLIMIT_NOFILE, &few_files, nullptr);
    if (code >= 0) code = raw::call(SYS_setgroups, 0, nullptr);
    if (code >= 0) code = raw::call(SYS_setsid);
    // A leader, which the clone may have made it, already is what it would become (setsid(2)).
    if (code == -EPERM && raw::call(SYS_getsid, 0) == raw::call(SYS_getpid)) code = 0;
    if (code >= 0) code = set_capabilities(0, 0);
    if (code >= 0) code = raw::call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return outcome(code);
}

Outcome unblock_signals() noexcept {
    const std::uint64_t none = 0;
    return outcome(raw::call(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &none, nullptr, sizeof none));
}

}  // namespace jailsvc::jailer
