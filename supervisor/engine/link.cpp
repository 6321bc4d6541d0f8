#include "engine/link.hpp"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace jailsvc::engine {
namespace {

/// Packets taken per readiness, so that one busy peer does not keep the others waiting.
constexpr int kBatch = 64;

}  // namespace

ipc::Type Link::Message::type() const noexcept {
    ipc::Header header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    return header.type;
}

Link::Link(struct ev_loop* loop, std::string name, Handlers handlers)
    : name_(std::move(name)),
      handlers_(std::move(handlers)),
      watch_(loop, [this](int events) { on_event(events); }) {}

std::deque<Link::Message> Link::attach(Fd socket) {
    watch_.stop();
    socket_ = std::move(socket);
    watch_.watch(socket_.get(), EV_READ);
    return std::exchange(queue_, {});
}

void Link::send(Message message) {
    queue_.push_back(std::move(message));
    if (queue_.size() == 1) flush();
}

void Link::on_event(int events) {
    if ((events & EV_WRITE) != 0) flush();
    if ((events & EV_READ) != 0 && socket_) read_some();
}

void Link::read_some() {
    ipc::Packet packet;
    for (int i = 0; i < kBatch; ++i) {
        const int code = ipc::receive(socket_.get(), packet);
        if (code == EAGAIN || code == EINTR) return;
        if (code == EBADMSG) {
            spdlog::error("{}: a message of another version or size was dropped", name_);
            continue;
        }
        if (code != 0) return lose(code);
        handlers_.packet(packet);
        if (!socket_) return;
    }
}

void Link::flush() {
    while (socket_ && !queue_.empty()) {
        const Message& first = queue_.front();
        int fds[ipc::kMaxFds] = {};
        for (std::size_t i = 0; i < first.fds.size(); ++i) fds[i] = first.fds[i].get();
        const int code = ipc::send_raw(socket_.get(), first.bytes.data(), first.bytes.size(), fds,
                                       first.fds.size());
        if (code == EAGAIN) return watch_.watch(socket_.get(), EV_READ | EV_WRITE);
        if (code == EINTR) continue;
        if (code == EPIPE) return lose(code);
        if (code != 0) spdlog::error("{}: a message was not sent: {}", name_, std::strerror(code));
        queue_.pop_front();
    }
    if (socket_) watch_.watch(socket_.get(), EV_READ);
}

std::vector<Link::Message> Link::take_back(ipc::Type type) {
    std::vector<Message> taken;
    for (auto at = queue_.begin(); at != queue_.end();) {
        const bool wanted = at->type() == type;
        if (wanted) taken.push_back(std::move(*at));
        at = wanted ? queue_.erase(at) : std::next(at);
    }
    return taken;
}

void Link::lose(int code) {
    if (code != EPIPE) spdlog::error("{}: {}", name_, std::strerror(code));
    watch_.stop();
    socket_ = Fd();
    handlers_.lost();
}

}  // namespace jailsvc::engine
