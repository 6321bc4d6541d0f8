#include "engine/notify_socket.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "engine/notify_message.hpp"

namespace jailsvc::engine {
namespace {

constexpr std::size_t kMostFds = 253;  // SCM_MAX_FD (unix(7)): what the kernel lets pass at once

}  // namespace

std::optional<NotifyDatagram> receive_notify(int socket) {
    std::array<char, kMaxNotify + 1> bytes;  // with the NUL that a C program may send along
    alignas(cmsghdr)
        std::array<char, CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(kMostFds * sizeof(int))>
            control{};
    iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t size = -1;
    do {
        size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return std::nullopt;
    NotifyDatagram datagram;
    datagram.text.assign(bytes.data(), static_cast<std::size_t>(size));
    datagram.whole = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr;
         item = CMSG_NXTHDR(&header, item)) {
        if (item->cmsg_level != SOL_SOCKET) continue;
        const std::size_t length = item->cmsg_len - CMSG_LEN(0);
        if (item->cmsg_type == SCM_RIGHTS) {
            std::vector<int> numbers(length / sizeof(int));
            std::memcpy(numbers.data(), CMSG_DATA(item), numbers.size() * sizeof(int));
            for (const int number : numbers) datagram.fds.emplace_back(number);
        } else if (item->cmsg_type == SCM_CREDENTIALS && length >= sizeof(ucred)) {
            ucred sender{};
            std::memcpy(&sender, CMSG_DATA(item), sizeof sender);
            datagram.pid = sender.pid;
        }
    }
    return datagram;
}

}  // namespace jailsvc::engine
