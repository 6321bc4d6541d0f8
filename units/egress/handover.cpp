#include "egress/handover.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstring>

namespace jailsvc::egress {
namespace {

constexpr std::size_t kRead = 16384;

int option(int fd, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

long receive(int socket, std::string& bytes, std::vector<Fd>& fds) {
    std::array<char, kRead> buffer;
    iovec part{buffer.data(), buffer.size()};
    // More descriptors than have room here are closed by the kernel (unix(7)).
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxListeners * sizeof(int))> control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (size == -1) return size;
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
         head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
            fds.emplace_back(fd);
        }
    }
    bytes.append(buffer.data(), static_cast<std::size_t>(size));
    return size;
}

bool is_from_root(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

bool listens(int fd) {
    const int domain = option(fd, SO_DOMAIN);
    return option(fd, SO_ACCEPTCONN) == 1 && option(fd, SO_TYPE) == SOCK_STREAM &&
           (domain == AF_INET || domain == AF_INET6);
}

}  // namespace jailsvc::egress
