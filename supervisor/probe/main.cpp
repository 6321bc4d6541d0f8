// jailsvc-probe: asks a service once whether it does its work. Started by the jailer in the unit's
// jail, under its user, as a held descriptor: it needs no file of the jail's tree. Freestanding:
// what the service answers is read into one buffer and forgotten, there is no heap, no name is
// looked up, nothing but the arguments is heeded. The answer is the exit code, see probe_code.hpp.
//
//   jailsvc-probe tcp|unix ADDRESS MILLISECONDS
//   jailsvc-probe http     ADDRESS MILLISECONDS HOST PATH
// ADDRESS: the socket's address (struct sockaddr_in and its like) in hexadecimal digits.

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/probe_code.hpp"
#include "base/raw_call.hpp"
#include "probe/status_line.hpp"

namespace jailsvc::probe {
namespace {

constexpr std::size_t kMostRequest = 2048;    ///< [bytes]
constexpr std::size_t kMostRead = 64U << 10;  ///< of an answer before its status [bytes]
constexpr std::int64_t kMostMilliseconds = 24LL * 3600 * 1000;

long word(const void* pointer) noexcept {
    return static_cast<long>(reinterpret_cast<std::uintptr_t>(pointer));
}

long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
          long f = 0) noexcept {
    return raw::call6(number, a, b, c, d, e, f);
}

[[noreturn]] void end(int code) noexcept {
    for (;;) call(SYS_exit_group, code);
}

long require(long result) noexcept {
    if (result < 0) end(code_of_error(static_cast<int>(-result)));
    return result;
}

std::int64_t now_ms() noexcept {
    timespec now{};
    require(call(SYS_clock_gettime, CLOCK_MONOTONIC, word(&now)));
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

unsigned digit(char c) noexcept {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    end(kMisused);
}

struct Address {
    alignas(sockaddr_storage) unsigned char bytes[sizeof(sockaddr_storage)];
    std::size_t size = 0;
    [[nodiscard]] int family() const noexcept {
        sa_family_t family = 0;
        std::memcpy(&family, bytes, sizeof family);
        return family;
    }
};

Address read_address(const char* text) noexcept {
    Address address{};
    for (; text[0] != 0; text += 2) {
        if (text[1] == 0 || address.size == sizeof address.bytes) end(kMisused);
        address.bytes[address.size++] =
            static_cast<unsigned char>(digit(text[0]) * 16 + digit(text[1]));
    }
    if (address.size < sizeof(sa_family_t)) end(kMisused);
    return address;
}

std::int64_t read_milliseconds(const char* text) noexcept {
    std::int64_t value = 0;
    for (; *text != 0; ++text) {
        if (*text < '0' || *text > '9' || value > kMostMilliseconds) end(kMisused);
        value = value * 10 + (*text - '0');
    }
    return value;
}

/// One connection, which does not block, and until when it may take.
class Connection {
public:
    Connection(const Address& address, std::int64_t until_ms) noexcept : until_ms_(until_ms) {
        socket_ = require(
            call(SYS_socket, address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        const long code =
            call(SYS_connect, socket_, word(address.bytes), static_cast<long>(address.size));
        if (code != -EINPROGRESS) {
            require(code);
            return;
        }
        wait(POLLOUT);
        int error = 0;
        socklen_t size = sizeof error;
        require(call(SYS_getsockopt, socket_, SOL_SOCKET, SO_ERROR, word(&error), word(&size)));
        if (error != 0) end(code_of_error(error));
    }

    /// All of it, unless the other end closes before: it may have answered nevertheless.
    void send(const char* text, std::size_t left) const noexcept {
        while (left > 0) {
            const long sent =
                call(SYS_sendto, socket_, word(text), static_cast<long>(left), MSG_NOSIGNAL, 0, 0);
            if (sent == -EAGAIN) {
                wait(POLLOUT);
                continue;
            }
            if (sent == -EPIPE) return;
            require(sent);
            text += sent;
            left -= static_cast<std::size_t>(sent);
        }
    }

    /// 0 at the end.
    [[nodiscard]] std::size_t receive(char* buffer, std::size_t size) const noexcept {
        for (;;) {
            const long count = call(SYS_read, socket_, word(buffer), static_cast<long>(size));
            if (count != -EAGAIN) return static_cast<std::size_t>(require(count));
            wait(POLLIN);
        }
    }

private:
    void wait(short events) const noexcept {
        const std::int64_t left = until_ms_ - now_ms();
        if (left <= 0) end(kLate);
        const timespec most{static_cast<time_t>(left / 1000), (left % 1000) * 1'000'000};
        pollfd watched{static_cast<int>(socket_), events, 0};
        const long count = call(SYS_ppoll, word(&watched), 1, word(&most), 0, 8);
        if (count == 0) end(kLate);
        if (count != -EINTR) require(count);
    }

    long socket_ = -1;
    std::int64_t until_ms_;
};

[[noreturn]] void ask_http(const Connection& connection, const char* host,
                           const char* path) noexcept {
    char request[kMostRequest];
    std::size_t size = 0;
    for (const char* part :
         {"GET ", path, " HTTP/1.1\r\nHost: ", host,
          "\r\nUser-Agent: jailsvc\r\nAccept: */*\r\nConnection: close\r\n\r\n"}) {
        for (; *part != 0; ++part) {
            if (size == sizeof request) end(kMisused);
            request[size++] = *part;
        }
    }
    connection.send(request, size);  // at once: a simple service reads but once
    StatusLine line;
    char buffer[1024];
    for (std::size_t total = 0; total < kMostRead;) {
        const std::size_t count = connection.receive(buffer, sizeof buffer);
        if (count == 0) end(kClosed);
        total += count;
        for (std::size_t i = 0; i < count; ++i) {
            const StatusLine::Verdict verdict = line.take(buffer[i]);
            if (verdict == StatusLine::Verdict::kStatus) end(code_of_status(line.status()));
            if (verdict == StatusLine::Verdict::kForeign) end(kNoHttp);
        }
    }
    end(kNoStatus);
}

[[noreturn]] void run(int argc, char** argv) noexcept {
    constexpr int kPlain = 4, kHttp = 6;
    if (argc < kPlain) end(kMisused);
    const bool http = std::strcmp(argv[1], "http") == 0;
    if (argc != (http ? kHttp : kPlain)) end(kMisused);
    const std::int64_t until_ms = now_ms() + read_milliseconds(argv[3]);
    const Connection connection(read_address(argv[2]), until_ms);
    if (http) ask_http(connection, argv[4], argv[5]);
    end(kGood);
}

}  // namespace
}  // namespace jailsvc::probe

int main(int argc, char** argv) {
    jailsvc::probe::run(argc, argv);
}
