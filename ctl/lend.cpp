#include "lend.hpp"

#include <sys/socket.h>

#include <cstring>

#include "context.hpp"
#include "ipc/channel.hpp"

namespace jailsvc::ctl {

Result<std::pair<Fd, Fd>> credential_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
        return fail_errno("socketpair");
    }
    std::pair<Fd, Fd> pair{Fd(ends[0]), Fd(ends[1])};
    const int on = 1;
    for (const int end : ends) {
        if (::setsockopt(end, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) {
            return fail_errno("SO_PASSCRED");
        }
    }
    return pair;
}

Result<void> send_with_stdio(int socket, const std::string& bytes, const int (&stdio)[3]) {
    if (bytes.size() > ipc::kMaxExecRequest) return fail("the command is too long", kUsage);
    // The default buffer may be smaller than the largest request (socket(7), SO_SNDBUF).
    const int size = static_cast<int>(ipc::kMaxExecRequest);
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof stdio)] = {};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof stdio);
    std::memcpy(CMSG_DATA(rights), stdio, sizeof stdio);
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) == -1) return fail_errno("send the command");
    return {};
}

Result<std::pair<Fd, Fd>> lend_stdio(const std::string& unit, const int (&stdio)[3]) {
    TRY(auto pair, credential_pair());
    ipc::LendRequest request{};
    request.magic = ipc::LendRequest::kMagic;
    ipc::set_text(request.unit, unit);
    const std::string bytes(reinterpret_cast<const char*>(&request), sizeof request);
    TRY_VOID(send_with_stdio(pair.first.get(), bytes, stdio));
    return pair;
}

}  // namespace jailsvc::ctl
