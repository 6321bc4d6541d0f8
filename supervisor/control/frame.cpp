#include "control/frame.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace jailsvc::control {
namespace {

/// SCM_MAX_FD is 253: room for less would make the kernel close some silently but for MSG_CTRUNC.
constexpr std::size_t kControlFds = 16;

union ControlBuffer {
    char bytes[CMSG_SPACE(sizeof(int) * kControlFds)];
    cmsghdr align;
};

std::vector<Fd> take_descriptors(msghdr& message) {
    std::vector<Fd> fds;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
    }
    return fds;
}

}  // namespace

Result<void> FrameBuffer::push(std::string_view bytes, std::vector<Fd> fds) {
    Frame* last = &partial_;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\0');
        const std::string_view part = bytes.substr(0, end);
        if (partial_.bytes.size() + part.size() > cap_) {
            return fail(fmt::format("a call longer than {} bytes", cap_), EMSGSIZE);
        }
        partial_.bytes.append(part);
        buffered_ += part.size();
        last = &partial_;
        if (end == std::string_view::npos) break;
        whole_.push_back(std::exchange(partial_, {}));
        buffered_ += sizeof(Frame);
        last = &whole_.back();
        bytes.remove_prefix(end + 1);
    }
    if (last->fds.size() + fds.size() > kMaxFrameFds) {
        return fail(fmt::format("more than {} descriptors with one call", kMaxFrameFds), EMSGSIZE);
    }
    for (Fd& fd : fds) last->fds.push_back(std::move(fd));
    return {};
}

std::optional<Frame> FrameBuffer::next() {
    if (whole_.empty()) return std::nullopt;
    Frame frame = std::move(whole_.front());
    whole_.pop_front();
    buffered_ -= frame.bytes.size() + sizeof(Frame);
    return frame;
}

Result<Chunk> receive_some(int socket, std::size_t limit, bool wait) {
    Chunk chunk;
    chunk.bytes.resize(limit);
    ControlBuffer control;
    iovec part{chunk.bytes.data(), chunk.bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    ssize_t count = 0;
    do {
        count = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    } while (count < 0 && errno == EINTR);
    if (count < 0) return fail_errno("receive");
    chunk.bytes.resize(static_cast<std::size_t>(count));
    chunk.fds = take_descriptors(message);
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        return fail_errno("receive: too many descriptors", EMSGSIZE);
    }
    return chunk;
}

Result<std::size_t> send_some(int socket, std::string_view bytes, const std::vector<int>& fds,
                              bool wait) {
    if (fds.size() > kMaxFrameFds) return fail_errno("send: too many descriptors", EINVAL);
    ControlBuffer control{};
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};  // sendmsg(2) only reads it
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
        cmsghdr* c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
        std::memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
    }
    ssize_t count = 0;
    do {
        count = ::sendmsg(socket, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
    } while (count < 0 && errno == EINTR);
    if (count < 0) return fail_errno("send");
    return static_cast<std::size_t>(count);
}

}  // namespace jailsvc::control
