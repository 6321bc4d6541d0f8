#include "jailer/credentials/secret.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace jailsvc::jailer {
namespace {

/// Of a regular file one byte more than it has, so that its end is seen; else what may come.
std::size_t expected_size(int fd, std::size_t limit) {
    struct stat info{};
    const bool known = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= 0;
    const std::size_t size = known ? static_cast<std::size_t>(info.st_size) : limit;
    return std::min(size, limit) + 1;
}

Result<void> await(int fd, Deadline deadline, const std::string& shown) {
    if (deadline == Deadline::max()) return {};
    pollfd watched{.fd = fd, .events = POLLIN, .revents = 0};
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return fail(shown + ": took too long", ETIMEDOUT);
        const int timeout = static_cast<int>(std::min<long long>(left.count(), INT_MAX));
        const int ready = ::poll(&watched, 1, timeout);
        if (ready == 1) return {};
        if (ready == -1 && errno != EINTR) return fail_errno(shown);
    }
}

}  // namespace

Result<Secret> Secret::make(std::size_t capacity) {
    if (::sodium_init() < 0) return fail("libsodium does not start", EIO);
    auto* bytes = static_cast<unsigned char*>(::sodium_malloc(std::max<std::size_t>(capacity, 1)));
    if (bytes == nullptr) return fail_errno("memory for a secret", ENOMEM);
    return Secret(bytes, capacity);
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    ::sodium_free(bytes_);
    bytes_ = std::exchange(other.bytes_, nullptr);
    capacity_ = other.capacity_;
    size_ = other.size_;
    return *this;
}

Secret::~Secret() {
    ::sodium_free(bytes_);
}

Result<Secret> read_secret(int fd, std::size_t limit, const std::string& shown, Deadline deadline) {
    TRY(Secret secret, Secret::make(expected_size(fd, limit)));
    const auto room = secret.room();
    std::size_t size = 0;
    while (size < room.size()) {
        TRY_VOID(await(fd, deadline, shown));
        const ssize_t count = ::read(fd, room.data() + size, room.size() - size);
        if (count == -1 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count == -1) return fail_errno(shown);
        if (count == 0) break;
        size += static_cast<std::size_t>(count);
    }
    if (size == room.size()) {
        return fail(fmt::format("{}: has more than {} bytes, or grows while it is read; a "
                                "credential has no more",
                                shown, std::min(limit, room.size() - 1)),
                    EFBIG);
    }
    secret.set_size(size);
    return secret;
}

Result<void> write_secret(int fd, std::span<const unsigned char> bytes, const std::string& shown) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count == -1 && errno == EINTR) continue;
        if (count == -1) return fail_errno(shown);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return {};
}

}  // namespace jailsvc::jailer
