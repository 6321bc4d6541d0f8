#include "logger/drain.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/sys.hpp"

namespace jailsvc::logger {
namespace {

constexpr std::size_t kBlock = 64 * 1024;  ///< a pipe's default capacity, pipe(7)

/// Takes `size` bytes that were logged off the service's pipe.
Result<void> consume(int pipe, int nowhere, std::size_t size) {
    while (size > 0) {
        const ssize_t count =
            ::splice(pipe, nullptr, nowhere, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (count < 0 && errno == EINTR) continue;
        // The pipe belongs to the service, which may read from it: what is gone needs no taking.
        // As an error it would end the unit's log, and with the next full pipe the unit.
        if (count == 0 || (count < 0 && errno == EAGAIN)) return {};
        if (count < 0) return fail_errno("take logged bytes from a pipe");
        size -= static_cast<std::size_t>(count);
    }
    return {};
}

/// Whether nothing is in the pipe and nobody holds its other end any more (poll(2)).
bool is_over(int pipe) {
    pollfd look{.fd = pipe, .events = POLLIN, .revents = 0};
    return ::poll(&look, 1, 0) == 1 && (look.revents & (POLLIN | POLLHUP)) == POLLHUP;
}

Result<void> read_exactly(int fd, char* into, std::size_t size) {
    while (size > 0) {
        const ssize_t count = ::read(fd, into, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail_errno("read the duplicate", count < 0 ? errno : EIO);
        into += count;
        size -= static_cast<std::size_t>(count);
    }
    return {};
}

}  // namespace

Drain::Drain(Fd reader, Fd writer, Fd nowhere)
    : reader_(std::move(reader)),
      writer_(std::move(writer)),
      nowhere_(std::move(nowhere)),
      block_(kBlock) {}

Result<Drain> Drain::make() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) return fail_errno("pipe");
    Fd reader(ends[0]);
    Fd writer(ends[1]);
    TRY(Fd nowhere, sys::open("/dev/null", O_WRONLY));
    return Drain(std::move(reader), std::move(writer), std::move(nowhere));
}

Result<Drain::Outcome> Drain::move_block(int pipe, const Take& take) {
    const ssize_t count = ::tee(pipe, writer_.get(), kBlock, SPLICE_F_NONBLOCK);
    // Also where the service itself reads what was there between the kernel's look and its copying.
    if (count == 0) return is_over(pipe) ? Outcome::kEnd : Outcome::kNothing;
    if (count < 0) {
        if (errno == EAGAIN || errno == EINTR) return Outcome::kNothing;
        return fail_errno("tee");
    }
    const auto size = static_cast<std::size_t>(count);
    TRY_VOID(read_exactly(reader_.get(), block_.data(), size));
    busy_pipe_ = pipe;
    in_pipe_ = size;
    take({block_.data(), size});
    busy_pipe_ = -1;
    TRY_VOID(consume(pipe, nowhere_.get(), in_pipe_));
    return Outcome::kMoved;
}

Result<Drain::Outcome> Drain::take_now(int pipe, const Take& take) {
    rescued_.resize(kBlock);
    const bool busy = pipe == busy_pipe_ && in_pipe_ > 0;
    const std::size_t want = busy ? in_pipe_ : rescued_.size();
    const ssize_t count = ::read(pipe, rescued_.data(), want);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Outcome::kNothing;
    if (count < 0) return fail_errno("read");
    if (count == 0) return Outcome::kEnd;
    const auto size = static_cast<std::size_t>(count);
    if (busy) {
        in_pipe_ -= size;  // the loop has it already
    } else {
        take({rescued_.data(), size});
    }
    return Outcome::kMoved;
}

}  // namespace jailsvc::logger
