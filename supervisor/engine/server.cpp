#include "engine/server.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "control/varlink.hpp"

namespace jailsvc::engine {
namespace {

/// Clients accepted in one turn of the loop.
constexpr int kBatch = 16;
/// Without descriptors to spare the listener would be ready for ever [s].
constexpr double kPause = 1.;

void refuse(int socket) {
    const std::string frame = control::encode(
        control::error_reply("LimitReached", {{"what", "too many connections; close some first"}}));
    // A full buffer of a socket just made means nobody reads: then it is closed without a word.
    (void)control::send_some(socket, frame, {}, false);
}

}  // namespace

Server::Server(struct ev_loop* loop, Roles roles, Connection::OnCall on_call, ServerLimits limits)
    : loop_(loop),
      roles_(std::move(roles)),
      on_call_(std::move(on_call)),
      limits_(limits),
      io_(loop, [this](int) { accept_some(); }),
      pause_(loop, [this] { io_.watch(socket_.get(), EV_READ); }) {}

void Server::listen(Fd socket) {
    io_.stop();
    socket_ = std::move(socket);
    io_.watch(socket_.get(), EV_READ);
}

void Server::accept_some() {
    for (int i = 0; i < kBatch; ++i) {
        Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (client) {
            admit(std::move(client));
            continue;
        }
        if (errno == EAGAIN) return;
        if (errno == EINTR || errno == ECONNABORTED) continue;
        spdlog::warn("control: accept: {}; pausing", std::strerror(errno));
        io_.stop();
        return pause_.start(kPause);
    }
}

bool Server::has_room(uid_t uid) const {
    if (connections_.size() >= limits_.total) return false;
    if (uid == 0) return true;
    const auto root = per_user_.find(0);
    const std::size_t others = connections_.size() - (root == per_user_.end() ? 0 : root->second);
    const auto own = per_user_.find(uid);
    return others < limits_.not_root && (own == per_user_.end() || own->second < limits_.per_user);
}

void Server::admit(Fd socket) {
    const auto peer = peer_of(socket.get());
    if (!peer) return spdlog::warn("control: {}", peer.error().message);
    if (!has_room(peer->uid)) return refuse(socket.get());
    const auto connection = std::make_shared<Connection>(
        loop_, std::move(socket), Caller{.role = roles_.of(*peer), .uid = peer->uid}, on_call_,
        [this](Connection& closed) { forget(closed); }, limits_.patience);
    connections_.emplace(connection.get(), connection);
    ++per_user_[peer->uid];
    connection->open();
}

void Server::forget(Connection& connection) {
    const auto user = per_user_.find(connection.caller().uid);
    if (user != per_user_.end() && --user->second == 0) per_user_.erase(user);
    connections_.erase(&connection);
}

}  // namespace jailsvc::engine
