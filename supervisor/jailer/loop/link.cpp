#include "jailer/loop/link.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kPauseReading = 256;  ///< queued packets
constexpr std::size_t kQueueLimit = 65536;  ///< beyond it the peer counts as gone
constexpr int kBatch = 64;                  ///< packets per wake-up, so that other watchers get on

/// The kernel is short of something that comes back: the packet can be sent, or read, later.
bool passes(int code) {
    return code == EAGAIN || code == EINTR || code == ENOMEM || code == ENOBUFS ||
           code == ETOOMANYREFS;
}

/// A packet lost on our side may be a process that the keeper never hears of, or an answer that the
/// engine waits for in vain, and nobody makes a new pair while both ends live. So we rather end,
/// and the keeper starts us anew; the services go on.
[[noreturn]] void end_ourselves(const std::string& name, const char* what, const char* why) {
    spdlog::critical("{}: cannot {}: {}; ending, to be started anew", name, what, why);
    ::_exit(EXIT_FAILURE);
}

}  // namespace

Link::Link(struct ev_loop* loop, std::string name, Handlers handlers)
    : name_(std::move(name)), handlers_(std::move(handlers)), reading_(loop), writing_(loop) {}

void Link::attach(Fd socket) {
    detach();
    socket_ = std::move(socket);
}

void Link::detach() {
    reading_.stop();
    writing_.stop();
    queue_.clear();
    socket_ = Fd();
    resumed_ = false;
    drained_.clear();  // what waited for the peer's knowing must not happen without it
}

void Link::resume() {
    resumed_ = true;
    watch_reading();
}

void Link::watch_reading() {
    const bool wanted = resumed_ && socket_ && queue_.size() < kPauseReading;
    if (!wanted) {
        reading_.stop();
    } else if (!reading_.active()) {
        reading_.start(socket_.get(), EV_READ, [this] { readable(); });
    }
}

void Link::readable() {
    for (int i = 0; i < kBatch && reading_.active(); ++i) {
        ipc::Packet packet;
        const int code = ipc::receive(socket_.get(), packet);
        if (passes(code)) return;
        if (code == EBADMSG) {
            spdlog::warn("{}: dropped a packet of another version or size", name_);
            continue;
        }
        if (code == EPIPE) {
            detach();
            handlers_.gone();
            return;
        }
        if (code != 0) end_ourselves(name_, "read", ::strerrordesc_np(code));
        handlers_.packet(packet);
    }
}

void Link::send_bytes(const void* bytes, std::size_t size, std::initializer_list<int> fds) {
    if (!socket_) return;
    if (!queue_.empty()) return enqueue(bytes, size, fds);
    const int code = ipc::send_raw(socket_.get(), bytes, size, fds.begin(), fds.size());
    if (passes(code)) return enqueue(bytes, size, fds);
    // EPIPE is told by the reading side, which first delivers what the peer has still sent.
    if (code != 0 && code != EPIPE) end_ourselves(name_, "send", ::strerrordesc_np(code));
}

void Link::enqueue(const void* bytes, std::size_t size, std::initializer_list<int> fds) {
    Queued packet{std::string(static_cast<const char*>(bytes), size), {}};
    for (const int fd : fds) {
        auto copy = sys::duplicate(fd);
        if (!copy) end_ourselves(name_, "queue a descriptor", copy.error().message.c_str());
        packet.fds.push_back(std::move(*copy));
    }
    queue_.push_back(std::move(packet));
    if (queue_.size() > kQueueLimit) {
        spdlog::error("{}: takes no messages; giving it up", name_);
        detach();
        handlers_.gone();
        return;
    }
    if (!writing_.active()) writing_.start(socket_.get(), EV_WRITE, [this] { writable(); });
    watch_reading();
}

void Link::writable() {
    while (!queue_.empty()) {
        const Queued& packet = queue_.front();
        int fds[ipc::kMaxFds];
        for (std::size_t i = 0; i < packet.fds.size(); ++i) fds[i] = packet.fds[i].get();
        const int code = ipc::send_raw(socket_.get(), packet.bytes.data(), packet.bytes.size(), fds,
                                       packet.fds.size());
        if (passes(code)) return;
        if (code != 0 && code != EPIPE) end_ourselves(name_, "send", ::strerrordesc_np(code));
        queue_.pop_front();
    }
    writing_.stop();
    watch_reading();
    for (auto waiting = std::exchange(drained_, {}); const auto& next : waiting) next();
}

void Link::when_drained(std::function<void()> next) {
    if (queue_.empty()) return next();
    drained_.push_back(std::move(next));
}

}  // namespace jailsvc::jailer
