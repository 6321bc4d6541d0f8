#include "ipc/channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace jailsvc::ipc {
namespace {

union ControlBuffer {
    char bytes[CMSG_SPACE(sizeof(int) * kMaxFds)];
    cmsghdr align;
};

}  // namespace

void Packet::reset() noexcept {
    for (std::size_t i = 0; i < fd_count_; ++i) {
        if (fds_[i] >= 0) ::close(fds_[i]);
        fds_[i] = -1;
    }
    fd_count_ = 0;
    size_ = 0;
}

Type Packet::type() const noexcept {
    return size_ >= sizeof(Header) ? reinterpret_cast<const Header*>(bytes_)->type : Type{};
}

int Packet::take_fd(std::size_t i) noexcept {
    if (i >= fd_count_) return -1;
    const int fd = fds_[i];
    fds_[i] = -1;
    return fd;
}

int receive(int socket, Packet& packet) noexcept {
    packet.reset();
    ControlBuffer control;
    iovec part{packet.bytes_, sizeof packet.bytes_};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    ssize_t count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // A peer that ends with packets unread leaves ECONNRESET, told once, before the packets that it
    // had sent itself (unix_release_sock): those must not be lost.
    if (count < 0 && errno == ECONNRESET) {
        count = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    }
    if (count < 0) return errno == ECONNRESET ? EPIPE : errno;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < fds && packet.fd_count_ < kMaxFds; ++i) {
            std::memcpy(&packet.fds_[packet.fd_count_++], CMSG_DATA(c) + i * sizeof(int),
                        sizeof(int));
        }
    }
    if (count == 0) {
        packet.reset();  // an empty packet looks like the end, but may carry descriptors
        return EPIPE;
    }
    packet.size_ = static_cast<std::size_t>(count);
    const auto* header = reinterpret_cast<const Header*>(packet.bytes_);
    const bool whole = packet.size_ >= sizeof(Header) && header->version == kVersion &&
                       header->size == packet.size_ &&
                       (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (!whole) {
        packet.reset();
        return EBADMSG;
    }
    return 0;
}

int send_raw(int socket, const void* bytes, std::size_t size, const int* fds,
             std::size_t fd_count) noexcept {
    ControlBuffer control{};
    iovec part{const_cast<void*>(bytes), size};  // sendmsg(2) does not write through it
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd_count > kMaxFds) return EINVAL;
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        cmsghdr* c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        std::memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    if (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        return errno == ECONNRESET || errno == ENOTCONN ? EPIPE : errno;
    }
    return 0;
}

}  // namespace jailsvc::ipc
