#include "egress/notify.hpp"

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/fd.hpp"

namespace jailsvc::egress {
namespace {

constexpr std::size_t kMaxFds = 4;

}  // namespace

Result<void> notify(std::string_view text, const std::vector<int>& fds) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr) return {};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (std::strlen(path) >= sizeof address.sun_path || fds.size() > kMaxFds) {
        return fail_errno("NOTIFY_SOCKET", EINVAL);
    }
    std::strcpy(address.sun_path, path);
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("socket");
    iovec part{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = sizeof address;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(head), fds.data(), fds.size() * sizeof(int));
    }
    if (::sendmsg(socket.get(), &message, MSG_NOSIGNAL) == -1) return fail_errno("sendmsg");
    return {};
}

}  // namespace jailsvc::egress
