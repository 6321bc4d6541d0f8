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

/// Listener of the gate, or a negative errno.
int install_gate() noexcept {
    const sock_fprog program{sizeof kExecGate / sizeof kExecGate[0],
                             const_cast<sock_filter*>(kExecGate)};
    return raw::call_int(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                         &program);
}

/// The jailer gets the listener; we keep none, and never hold both ends.
int hand_over(int gate, int listener, std::uint32_t evidence) noexcept {
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
    const int sent = raw::call_int(SYS_sendmsg, gate, &message, MSG_NOSIGNAL);
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

int install_filter(const ChildOp& op) noexcept {
    sock_filter filter[BPF_MAXINSNS];
    if (op.blob_size > sizeof filter) return -E2BIG;
    const std::size_t count = op.blob_size / sizeof(sock_filter);
    std::memcpy(filter, op.blob, op.blob_size);
    if (op.number[0] != 0) put_pid(filter, count, static_cast<std::uint32_t>(op.number[0]));
    const sock_fprog program{static_cast<unsigned short>(count), filter};
    return raw::call_int(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
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
