// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_seal.hpp"

#include <jailsvc_plugin.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif
/// Numbers from here on are those of x32, another table of the same machine; none is that high
/// elsewhere.
constexpr std::uint32_t kForeignCalls = 0x40000000;

/// Every exec is asked about; another architecture's call, which could be one, is the end.
constexpr sock_filter kExecGate[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 0, 5),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kForeignCalls, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 2, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
};

/// Upper half of the flags of the one sendmsg(2) that hands a learning filter's listener over; the
/// kernel looks at the lower half alone.
constexpr std::uint32_t kHandOver = 0x6a61696c;
constexpr std::size_t kUpperFlags = offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t) + 4;
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

/// Before a filter that asks about calls: nobody could answer until somebody has the listener.
constexpr sock_filter kLetHandOver[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kUpperFlags),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kHandOver, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)  // since Linux 5.19
#endif

/// A listener, or a negative errno.
int install_with_listener(const sock_fprog& program, unsigned long flags) noexcept {
    return raw::call_int(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                         SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &program);
}

/// Listener of the gate, or a negative errno.
int install_gate() noexcept {
    return install_with_listener(
        {sizeof kExecGate / sizeof kExecGate[0], const_cast<sock_filter*>(kExecGate)}, 0);
}

/// The jailer gets the listener; we keep none, and never hold both ends.
int hand_over(int gate, int listener, std::uint32_t evidence) noexcept {
    constexpr std::uint64_t kFlags = std::uint64_t{kHandOver} << 32 | MSG_NOSIGNAL;
    GateReport packet{GateReport::Kind::kListener, evidence, 0, GateReport::About::kWhole};
    iovec part{&packet, sizeof packet};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof listener)]{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof listener);
    std::memcpy(CMSG_DATA(header), &listener, sizeof listener);
    const int sent = raw::call_int(SYS_sendmsg, gate, &message, kFlags);
    raw::close(listener);
    return sent;
}

/// A copy, since the original may be the jailer's own memory: the program's pid in place of the
/// number that stands for it.
void put_pid(sock_filter* filter, std::size_t count, std::uint32_t placeholder) noexcept {
    const auto pid = static_cast<std::uint32_t>(raw::call(SYS_getpid));
    for (std::size_t i = 0; i < count; ++i) {
        if (BPF_CLASS(filter[i].code) == BPF_JMP && filter[i].k == placeholder) filter[i].k = pid;
    }
}

/// A filter of the plan's, as the program is to have it.
struct Copy {
    sock_filter filter[BPF_MAXINSNS];
    unsigned short count = 0;

    /// 0, or -E2BIG.
    int add(const void* filters, std::size_t size) noexcept {
        const std::size_t more = size / sizeof(sock_filter);
        if (count + more > BPF_MAXINSNS) return -E2BIG;
        std::memcpy(filter + count, filters, size);
        count = static_cast<unsigned short>(count + more);
        return 0;
    }
    int add_planned(const ChildOp& op) noexcept {
        const int code = add(op.blob, op.blob_size);
        if (code == 0 && op.number[0] != 0) {
            put_pid(filter, count, static_cast<std::uint32_t>(op.number[0]));
        }
        return code;
    }
    [[nodiscard]] sock_fprog program() noexcept { return {count, filter}; }
};

int install_filter(const ChildOp& op) noexcept {
    Copy copy;
    if (const int code = copy.add_planned(op); code != 0) return code;
    const sock_fprog program = copy.program();
    return raw::call_int(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/// The filter that asks, and at once its listener to the jailer.
int install_learning(const ChildOp& op, int gate, std::uint32_t evidence) noexcept {
    Copy copy;
    int code = copy.add(kLetHandOver, sizeof kLetHandOver);
    if (code == 0) code = copy.add_planned(op);
    if (code != 0) return code;
    const sock_fprog program = copy.program();
    // A signal shall not take back a call that is being looked at; older kernels know no better.
    int listener = install_with_listener(program, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if (listener == -EINVAL) listener = install_with_listener(program, 0);
    return listener < 0 ? listener : hand_over(gate, listener, evidence);
}

Outcome outcome(int result) noexcept {
    return {result < 0 ? -result : 0, GateReport::About::kWhole};
}

}  // namespace

Sealing seal(const ProgramJob& job, int gate, std::uint32_t evidence) noexcept {
    Sealing sealing;
    for (const ChildOp* op = job.ops; op != job.ops + job.count; ++op) {
        if (op->kind == JSV_OP_SECCOMP) sealing.op = op;
    }
    if (sealing.op == nullptr) return sealing;
    if ((sealing.op->flags & JSV_SECCOMP_LEARN) != 0) {
        sealing.exec_is_gate = true;
        sealing.outcome = outcome(install_learning(*sealing.op, gate, evidence));
        return sealing;
    }
    if ((sealing.op->flags & JSV_SECCOMP_EXEC_ONCE) != 0) {
        const int listener = install_gate();
        if (listener < 0) {
            sealing.outcome = outcome(listener);
            return sealing;
        }
        sealing.exec_is_gate = true;
        sealing.outcome = outcome(hand_over(gate, listener, evidence));
        if (!sealing.outcome.ok()) return sealing;
    }
    sealing.outcome = outcome(install_filter(*sealing.op));
    return sealing;
}

}  // namespace jailsvc::jailer
