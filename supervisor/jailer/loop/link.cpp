#include "jailer/loop/link.hpp"

#include <spdlog/spdlog.h>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kPauseReading = 256;  ///< queued packets
constexpr std::size_t kQueueLimit = 65536;  ///< beyond it the peer counts as gone
constexpr int kBatch = 64;                  ///< packets per wake-up, so that other watchers get on

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
        if (code == EAGAIN || code == EINTR) return;
        if (code == EBADMSG) {
            spdlog::warn("{}: dropped a packet of another version or size", name_);
            continue;
        }
        if (code != 0) {
            detach();
            handlers_.gone();
            return;
        }
        handlers_.packet(packet);
    }
}

void Link::send_bytes(const void* bytes, std::size_t size, std::initializer_list<int> fds) {
    if (!socket_) return;
    if (!queue_.empty()) return enqueue(bytes, size, fds);
    const int code = ipc::send_raw(socket_.get(), bytes, size, fds.begin(), fds.size());
    if (code == EAGAIN || code == ENOBUFS || code == ETOOMANYREFS) return enqueue(bytes, size, fds);
    // EPIPE is told by the reading side, which first delivers what the peer has still sent.
    if (code != 0 && code != EPIPE) {
        spdlog::error("{}: cannot send: {}", name_, ::strerrordesc_np(code));
    }
}

void Link::enqueue(const void* bytes, std::size_t size, std::initializer_list<int> fds) {
    Queued packet{std::string(static_cast<const char*>(bytes), size), {}};
    for (const int fd : fds) {
        auto copy = sys::duplicate(fd);
        if (!copy) {
            spdlog::error("{}: cannot queue a descriptor: {}", name_, copy.error().message);
            return;
        }
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
        if (code == EAGAIN || code == ENOBUFS || code == ETOOMANYREFS) return;
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
