#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

#include "ipc/messages.hpp"

/// Sending and receiving packets without a library, a heap or an exception: the keeper uses it too.
namespace jailsvc::ipc {

/// One received packet. Owns its descriptors until `take_fd`; the destructor closes the rest.
class Packet {
public:
    Packet() noexcept = default;
    Packet(const Packet&) = delete;
    Packet& operator=(const Packet&) = delete;
    ~Packet() { reset(); }

    /// Closes what was not taken and forgets the bytes.
    void reset() noexcept;

    [[nodiscard]] Type type() const noexcept;

    /// The packet as T, or nullptr if it is of another type or size.
    template <Message T>
    [[nodiscard]] const T* as() const noexcept {
        if (size_ != sizeof(T) || type() != T::kType) return nullptr;
        return reinterpret_cast<const T*>(bytes_);
    }

    /// The i-th descriptor, now the caller's to close; -1 if there is none.
    [[nodiscard]] int take_fd(std::size_t i) noexcept;
    [[nodiscard]] std::size_t fd_count() const noexcept { return fd_count_; }

private:
    friend int receive(int socket, Packet& packet) noexcept;
    alignas(8) std::byte bytes_[kMaxMessage] = {};
    std::size_t size_ = 0;
    int fds_[kMaxFds] = {-1, -1, -1, -1};
    std::size_t fd_count_ = 0;
};

/// Next packet, without blocking. 0: one was read; EAGAIN: none is there; EPIPE: the peer is gone;
/// EBADMSG: a packet of wrong version or size was dropped (its descriptors closed); or an errno.
[[nodiscard]] int receive(int socket, Packet& packet) noexcept;

/// Sends `size` bytes and descriptors without blocking. 0, EAGAIN (queue full, nothing sent), or an
/// errno (EPIPE: the peer is gone). The descriptors stay the caller's.
[[nodiscard]] int send_raw(int socket, const void* bytes, std::size_t size, const int* fds,
                           std::size_t fd_count) noexcept;

/// A message with its header filled in and everything else zero.
template <Message T>
[[nodiscard]] T make() noexcept {
    T message{};
    message.header = Header{kVersion, T::kType, sizeof(T)};
    return message;
}

template <Message T>
[[nodiscard]] int send(int socket, const T& message, const int* fds = nullptr,
                       std::size_t fd_count = 0) noexcept {
    return send_raw(socket, &message, sizeof message, fds, fd_count);
}

/// Copies text into a fixed field, cut to fit, always NUL-terminated.
template <std::size_t N>
void set_text(char (&field)[N], std::string_view text) noexcept {
    const std::size_t length = text.size() < N - 1 ? text.size() : N - 1;
    std::memcpy(field, text.data(), length);
    field[length] = '\0';
}

/// Reads a fixed field that a peer filled, terminated or not.
template <std::size_t N>
[[nodiscard]] std::string_view get_text(const char (&field)[N]) noexcept {
    return {field, ::strnlen(field, N)};
}

}  // namespace jailsvc::ipc
