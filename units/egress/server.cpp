#include "egress/server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "egress/handover.hpp"
#include "egress/notify.hpp"

namespace jailsvc::egress {
namespace {

constexpr int kAtOnce = 16;     ///< accepted before others have their turn
constexpr double kPause = 0.2;  ///< [s] before it is tried again without descriptors

/// With the supervisor, for a proxy after us.
void keep_loopback(const std::vector<Fd>& fds) {
    std::vector<int> raw;
    for (const Fd& fd : fds) raw.push_back(fd.get());
    const std::string name(kLoopbackName);
    auto kept = notify("FDSTOREREMOVE=1\nFDNAME=" + name);
    // Polled, one whose network is gone would be told of as hung up.
    if (kept) kept = notify("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, raw);
    if (!kept) fmt::print(stderr, "egress: the store: {}\n", kept.error().message);
}

}  // namespace

Server::Server(Context& context) : context_(context), burial_(context.loop), pause_(context.loop) {
    context.adopt = [this](std::vector<Fd> fds) {
        keep_loopback(fds);
        replace_loopback(std::move(fds));
    };
}

void Server::listen(Fd fd, bool local) {
    const int flags = ::fcntl(fd.get(), F_GETFL);
    (void)::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
    auto listener = std::make_unique<Listener>(context_.loop);
    listener->fd = std::move(fd);
    listener->local = local;
    listener->watch.start(listener->fd.get(), 0,
                          [this, at = listener.get()](int) { accept_some(*at); });
    listeners_.push_back(std::move(listener));
    settle();
}

void Server::replace_loopback(std::vector<Fd> fds) {
    std::erase_if(listeners_, [](const auto& listener) { return !listener->local; });
    for (Fd& fd : fds) listen(std::move(fd), false);
}

void Server::accept_some(const Listener& listener) {
    for (int i = 0; i < kAtOnce; ++i) {
        if (sessions_.size() >= static_cast<std::size_t>(context_.settings.connections)) break;
        Fd client(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!client) {
            const bool none = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
            if (none) {
                paused_ = true;
                pause_.start(kPause, [this] {
                    paused_ = false;
                    settle();
                });
            }
            break;
        }
        auto session =
            std::make_unique<Session>(context_, ++count_, std::move(client), listener.local,
                                      [this](Session* one) { ended(one); });
        Session* const key = session.get();
        sessions_.emplace(key, std::move(session));
    }
    settle();
}

/// It is in the midst of a call of its own: destroyed when that is over.
void Server::ended(Session* session) {
    auto node = sessions_.extract(session);
    if (node.empty()) return;
    dead_.push_back(std::move(node.mapped()));
    burial_.start(0, [this] { dead_.clear(); });
    settle();
}

void Server::settle() {
    const bool full = sessions_.size() >= static_cast<std::size_t>(context_.settings.connections);
    for (const auto& listener : listeners_) listener->watch.want(full || paused_ ? 0 : EV_READ);
}

}  // namespace jailsvc::egress
