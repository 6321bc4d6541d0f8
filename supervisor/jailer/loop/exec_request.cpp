#include "jailer/loop/exec_request.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstring>

#include "base/sys.hpp"
#include "ipc/channel.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint32_t kMaxArguments = 4096;
constexpr std::uint32_t kMaxVariables = 4096;

/// What rode along with a packet.
struct Ancillary {
    std::optional<ucred> credentials;
    std::vector<Fd> fds;
};

Ancillary read_ancillary(msghdr& message) {
    Ancillary found;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET) continue;
        if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(ucred))) {
            std::memcpy(&found.credentials.emplace(), CMSG_DATA(c), sizeof(ucred));
        } else if (c->cmsg_type == SCM_RIGHTS) {
            const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < count; ++i) {
                int fd = -1;
                std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
                found.fds.emplace_back(fd);
            }
        }
    }
    return found;
}

Result<void> check_sender(const Ancillary& ancillary, uid_t own_uid) {
    if (!ancillary.credentials) {
        return fail(
            "exec: the request carries no credentials; set SO_PASSCRED on both ends of the "
            "socket before it is handed over",
            EPERM);
    }
    const uid_t uid = ancillary.credentials->uid;
    if (uid != 0 && uid != own_uid) {
        return fail(fmt::format("exec: uid {} may not run commands in a jail; ask as root", uid),
                    EPERM);
    }
    if (ancillary.fds.size() != 3) {
        return fail(fmt::format("exec: {} descriptors came with the request, not stdin, stdout and "
                                "stderr",
                                ancillary.fds.size()),
                    EINVAL);
    }
    return {};
}

/// Takes the next NUL-terminated string off the front.
std::optional<std::string> take_string(std::string_view& rest) {
    const auto end = rest.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    std::string text(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    return text;
}

bool is_program(int root, const std::string& path) {
    const auto file =
        sys::open_beneath(root, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    struct stat info{};
    return file && ::fstat(file->get(), &info) == 0 && S_ISREG(info.st_mode) &&
           (info.st_mode & 0111U) != 0;
}

}  // namespace

Result<ExecRequest> parse_exec_request(std::string_view packet) {
    ipc::ExecRequest head{};
    if (packet.size() < sizeof head || packet.size() > ipc::kMaxExecRequest) {
        return fail(fmt::format("exec: a request of {} bytes", packet.size()), EBADMSG);
    }
    std::memcpy(&head, packet.data(), sizeof head);
    packet.remove_prefix(sizeof head);
    if (head.magic != ipc::ExecRequest::kMagic) return fail("exec: not a request", EBADMSG);
    if (head.argc < 1 || head.argc > kMaxArguments || head.envc > kMaxVariables) {
        return fail(fmt::format("exec: {} arguments and {} variables; at most {} of each",
                                head.argc, head.envc, kMaxArguments),
                    E2BIG);
    }
    ExecRequest request;
    request.unit = ipc::get_text(head.unit);
    request.own_terminal = head.own_terminal == 1;
    for (std::uint32_t i = 0; i < head.argc + head.envc; ++i) {
        auto text = take_string(packet);
        if (!text) return fail("exec: fewer strings than announced", EBADMSG);
        auto& list = i < head.argc ? request.argv : request.environment;
        list.push_back(std::move(*text));
    }
    if (!packet.empty()) return fail("exec: bytes after the last string", EBADMSG);
    if (request.argv.front().empty()) return fail("exec: the program's name is empty", EINVAL);
    for (const auto& variable : request.environment) {
        const auto equals = variable.find('=');
        if (equals == 0 || equals == std::string::npos) {
            return fail("exec: a variable without NAME=", EINVAL);
        }
    }
    return request;
}

namespace {

/// What a client sent, and what rode along.
struct Packet {
    std::string bytes;
    Ancillary ancillary;
};

/// Without blocking; nullopt: nothing is there yet.
Result<std::optional<Packet>> receive_packet(int socket, std::size_t room, uid_t own_uid) {
    std::string bytes(room, '\0');
    union {
        char space[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int) * 8)];
        cmsghdr align;
    } control{};
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    const ssize_t count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (count < 0) return fail_errno("exec: read the request");
    if (count == 0) return fail("exec: the client hung up before it asked", EPIPE);
    Ancillary ancillary = read_ancillary(message);
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return fail(fmt::format("exec: a request over {} bytes or with too many descriptors", room),
                    E2BIG);
    }
    TRY_VOID(check_sender(ancillary, own_uid));
    bytes.resize(static_cast<std::size_t>(count));
    return Packet{std::move(bytes), std::move(ancillary)};
}

}  // namespace

Result<std::optional<ExecRequest>> receive_exec_request(int socket, uid_t own_uid) {
    TRY(auto packet, receive_packet(socket, ipc::kMaxExecRequest, own_uid));
    if (!packet) return std::nullopt;
    TRY(auto request, parse_exec_request(packet->bytes));
    for (std::size_t i = 0; i < 3; ++i) request.stdio[i] = std::move(packet->ancillary.fds[i]);
    return request;
}

Result<std::optional<LendRequest>> receive_lend_request(int socket, uid_t own_uid) {
    // One byte of room more, so that what is longer is seen to be.
    TRY(auto packet, receive_packet(socket, sizeof(ipc::LendRequest) + 1, own_uid));
    if (!packet) return std::nullopt;
    ipc::LendRequest lent{};
    if (packet->bytes.size() != sizeof lent) return fail("what was lent: not a request", EBADMSG);
    std::memcpy(&lent, packet->bytes.data(), sizeof lent);
    if (lent.magic != ipc::LendRequest::kMagic) {
        return fail("what was lent: not a request", EBADMSG);
    }
    LendRequest request;
    request.unit = ipc::get_text(lent.unit);
    for (std::size_t i = 0; i < 3; ++i) request.stdio[i] = std::move(packet->ancillary.fds[i]);
    return request;
}

Result<std::string> find_program(int root, const std::string& name, std::string_view path) {
    if (name.starts_with('/')) return name;
    if (name.find('/') != std::string::npos) {
        return fail(fmt::format("exec: {}: use an absolute path or a bare name", name), EINVAL);
    }
    while (!path.empty()) {
        const std::string_view folder = path.substr(0, path.find(':'));
        path.remove_prefix(std::min(path.size(), folder.size() + 1));
        if (!folder.starts_with('/')) continue;
        std::string candidate = fmt::format("{}/{}", folder, name);
        if (is_program(root, candidate)) return candidate;
    }
    return fail(fmt::format("exec: {}: no such program in the jail's PATH", name), ENOENT);
}

}  // namespace jailsvc::jailer
