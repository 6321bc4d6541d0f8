// A parked process's gate, the jailer's end: its reports, and what lets it go on.
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "jailer/child/main_stage.h"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {
namespace {

static_assert(sizeof(main_stage_report) == sizeof(GateReport));
static_assert(MAIN_STAGE_REACHED == static_cast<unsigned>(GateReport::Kind::kMain));
static_assert(MAIN_STAGE_FAILED == static_cast<unsigned>(GateReport::Kind::kFailed));
static_assert(MAIN_STAGE_STEP == kStepMain);

struct Packet {
    GateReport report{};
    ssize_t count = 0;  ///< bytes; 0 at the end of file, -1: errno
    Fd listener;
};

Packet receive(int gate) {
    Packet packet;
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    iovec part{&packet.report, sizeof packet.report};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    // A child that ends with our byte unread leaves ECONNRESET, told once, before what it had said
    // itself (unix_release_sock in the kernel).
    do {
        packet.count = ::recvmsg(gate, &message, MSG_CMSG_CLOEXEC);
    } while (packet.count == -1 && (errno == EINTR || errno == ECONNRESET));
    if (packet.count <= 0) return packet;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        packet.listener = Fd(fd);
    }
    return packet;
}

bool is_exec(int number) {
    return number == SYS_execve || number == SYS_execveat;
}

/// Lets the exec that waits go on, for good: without a listener every later one fails. A signal
/// may have taken the exec back (ENOENT); then it comes again, with another id.
Result<void> let_exec_pass(Parked& parked) {
    seccomp_notif_resp response{};
    response.id = parked.notice;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (::ioctl(parked.listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) == -1) {
        if (errno == ENOENT) return {};
        return fail_errno("open the gate");
    }
    parked.listener = Fd();
    return {};
}

Result<void> send_byte(const Parked& parked) {
    const char go = 1;
    ssize_t count = 0;
    do {
        count = ::send(parked.gate.get(), &go, 1, MSG_NOSIGNAL);
    } while (count == -1 && errno == EINTR);
    if (count != 1) return fail_errno("open the gate");
    return {};
}

/// The child has got as far as its exec, where nothing of it runs any more.
std::optional<Report> read_listener(Parked& parked) {
    pollfd waiting{parked.listener.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 0) != 1 || (waiting.revents & POLLIN) == 0) return std::nullopt;
    seccomp_notif notice{};  // the kernel refuses one that is not all zero
    if (::ioctl(parked.listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &notice) == -1) {
        return std::nullopt;  // taken back in between; it comes again
    }
    if (static_cast<pid_t>(notice.pid) != parked.pid || !is_exec(notice.data.nr)) {
        return Report{Report::Kind::kFailed, not_held(kStepExec, "another call waits at the gate")};
    }
    const bool known = parked.notice != 0;
    parked.notice = notice.id;
    if (parked.opened) (void)let_exec_pass(parked);
    if (known) return std::nullopt;
    return Report{Report::Kind::kReady, {}, parked.evidence};
}

}  // namespace

std::optional<Report> read_report(const CompiledPlan& plan, Parked& parked) {
    Packet packet = receive(parked.gate.get());
    // Out of memory: the packet is still there, and the gate still readable.
    if (packet.count == -1 && (errno == EAGAIN || errno == ENOMEM)) {
        return parked.listener ? read_listener(parked) : std::nullopt;
    }
    const bool executed = parked.main != Parked::Main::kPlain && parked.opened;
    if (packet.count == 1 && !executed) return Report{Report::Kind::kReady, {}};  // jailsvc-stub
    if (packet.count != sizeof packet.report) return Report{Report::Kind::kEnd, {}};
    // It is the service that writes.
    const bool told = packet.report.kind == GateReport::Kind::kMain ||
                      packet.report.kind == GateReport::Kind::kFailed;
    if (executed && !told) return Report{Report::Kind::kEnd, {}};
    switch (packet.report.kind) {
        case GateReport::Kind::kReady:
            return Report{Report::Kind::kReady, {}, packet.report.op};
        case GateReport::Kind::kBuilt:
            return Report{Report::Kind::kBuilt, {}};
        case GateReport::Kind::kFailed:
            return Report{Report::Kind::kFailed, from_report(plan.plan(), packet.report)};
        case GateReport::Kind::kWeakened:
            return Report{Report::Kind::kWeakened, from_report(plan.plan(), packet.report)};
        case GateReport::Kind::kListener:
            parked.listener = std::move(packet.listener);
            parked.evidence = packet.report.op;
            return read_report(plan, parked);
        case GateReport::Kind::kMain:
            return Report{
                parked.main == Parked::Main::kAwaited ? Report::Kind::kMain : Report::Kind::kEnd,
                {}};
    }
    return Report{Report::Kind::kEnd, {}};
}

Result<void> send_main_filter(const CompiledPlan& plan, Parked& parked) {
    const Op* op = plan.find(JSV_OP_SECCOMP_MAIN);
    if (op == nullptr) return {};
    main_stage_filter head{static_cast<std::uint32_t>(op->number[0]),
                           static_cast<std::uint32_t>(op->blob.size() / sizeof(sock_filter))};
    iovec parts[] = {{&head, sizeof head}, {const_cast<char*>(op->blob.data()), op->blob.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = std::size(parts);
    ssize_t count = 0;
    do {
        count = ::sendmsg(parked.gate.get(), &message, MSG_NOSIGNAL);
    } while (count == -1 && errno == EINTR);
    if (count == -1) return fail_errno("send the filter for main");
    return {};
}

Result<void> let_in(const Parked& parked) {
    return send_byte(parked);
}

Result<void> open_gate(Parked& parked) {
    parked.opened = true;
    if (parked.listener) return let_exec_pass(parked);
    return send_byte(parked);
}

}  // namespace jailsvc::jailer
