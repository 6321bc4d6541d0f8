#include "logger/outlets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "ipc/messages.hpp"

namespace jailsvc::logger {
namespace {

constexpr std::size_t kMostQueued = 1U << 20;  ///< per outlet [bytes]

Fd datagram_socket() {
    return Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// Our standard output as an open file of our own, whose not blocking is nobody else's affair. Not
/// of a file, where all must share one offset, nor of a socket, which cannot be opened again: the
/// first does not block for want of a reader, the second not with MSG_DONTWAIT.
Fd own_output() {
    struct stat info{};
    const bool shared =
        ::fstat(STDOUT_FILENO, &info) == 0 && (S_ISREG(info.st_mode) || S_ISSOCK(info.st_mode));
    if (shared) return Fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    return Fd(::open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

}  // namespace

Outlet::Outlet(std::string name, Fd fd, std::string socket_path, Format format)
    : name_(std::move(name)),
      fd_(std::move(fd)),
      socket_path_(std::move(socket_path)),
      format_(std::move(format)),
      connected_(socket_path_.empty()) {}

void Outlet::put(const SentLine& line) {
    std::string message = format_(line);
    if (!waits()) {
        const Sent sent = send(message);
        if (sent == Sent::kAll) return;
        if (sent == Sent::kNever) {
            ++dropped_;
            return;
        }
    }
    queued_ += message.size();
    queue_.push_back(std::move(message));
    while (queued_ > kMostQueued) {
        // Not one of which a part is out already.
        const auto oldest = queue_.begin() + (begun_ ? 1 : 0);
        if (oldest == queue_.end()) break;
        queued_ -= oldest->size();
        queue_.erase(oldest);
        ++dropped_;
    }
}

bool Outlet::flush() {
    while (!queue_.empty()) {
        const std::size_t before = queue_.front().size();
        const Sent sent = send(queue_.front());
        if (sent == Sent::kLater) {
            queued_ -= before - queue_.front().size();
            return false;
        }
        if (sent == Sent::kNever) ++dropped_;
        queued_ -= before;
        queue_.pop_front();
        begun_ = false;
    }
    if (dropped_ > 0) tell_dropped();
    return dropped_ == 0;
}

void Outlet::tell_dropped() {
    const std::string text =
        fmt::format("{} lines were dropped: {} did not take them", dropped_, name_);
    constexpr int kWarning = 4;
    std::string message = format_({"jailsvc", LineMark::kLogger, kWarning, text, Moment::now()});
    const Sent sent = send(message);
    if (sent == Sent::kAll) {
        dropped_ = 0;
    } else if (begun_) {
        dropped_ = 0;
        queued_ += message.size();
        queue_.push_back(std::move(message));
    }
}

Outlet::Sent Outlet::send(std::string& message) {
    if (!fd_) {
        complain(ENODEV);
        return Sent::kNever;
    }
    return socket_path_.empty() ? write_bytes(message) : send_datagram(message);
}

/// What is left of the message stays in it.
Outlet::Sent Outlet::write_bytes(std::string& message) {
    while (!message.empty()) {
        ssize_t count =
            ::send(fd_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == ENOTSOCK) {
            count = ::write(fd_.get(), message.data(), message.size());
        }
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return Sent::kLater;
        if (count < 0) {
            complain(errno);
            return Sent::kNever;
        }
        message.erase(0, static_cast<std::size_t>(count));
        begun_ = !message.empty();
        failed_ = false;
    }
    return Sent::kAll;
}

Outlet::Sent Outlet::send_datagram(const std::string& message) {
    // The other side may have been started anew: then it is connected to once more.
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (!connected_ && !connect_socket()) return Sent::kLater;
        const ssize_t count =
            ::send(fd_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0) {
            failed_ = false;
            return Sent::kAll;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) return Sent::kLater;
        if (errno == EMSGSIZE) return Sent::kNever;
        complain(errno);
        connected_ = false;
    }
    return Sent::kLater;
}

bool Outlet::connect_socket() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path_.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, socket_path_.c_str(), socket_path_.size() + 1);
    connected_ =
        ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (!connected_) complain(errno);
    return connected_;
}

void Outlet::complain(int code) {
    if (!failed_) {
        spdlog::warn("logger: {}: {}; lines for it wait, and are dropped when they are too many",
                     name_, ::strerrordesc_np(code));
    }
    failed_ = true;
}

Outlets Outlets::open() {
    ::tzset();  // reads a file, which may be denied later
    Outlets outlets;
    const auto add = [&outlets](ipc::LogSettings::Sink sink, const char* name, Fd fd,
                                const char* path, Outlet::Format format) {
        outlets.all_[std::countr_zero(static_cast<unsigned>(sink))] =
            std::make_unique<Outlet>(name, std::move(fd), path, std::move(format));
    };
    using enum ipc::LogSettings::Sink;
    add(kJournal, "the journal", datagram_socket(), "/run/systemd/journal/socket", journal_message);
    add(kSyslog, "/dev/log", datagram_socket(), "/dev/log", syslog_message);
    add(kSyslog5424, "/dev/log", datagram_socket(), "/dev/log",
        [host = host_name()](const SentLine& line) { return syslog5424_message(line, host); });
    add(kConsole, "/dev/console",
        Fd(::open("/dev/console", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)), "",
        terminal_message);
    add(kContainer, "standard output", own_output(), "", container_message);
    return outlets;
}

void Outlets::put(std::uint8_t sinks, const SentLine& line) {
    for (std::size_t i = 0; i < kKinds; ++i) {
        if ((sinks >> i & 1) != 0 && all_[i]) all_[i]->put(line);
    }
}

bool Outlets::flush() {
    bool done = true;
    for_each([&done](Outlet& outlet) {
        if (outlet.waits() && !outlet.flush()) done = false;
    });
    return done;
}

}  // namespace jailsvc::logger
