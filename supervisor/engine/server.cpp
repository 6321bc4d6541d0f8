#include "engine/server.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
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
    const std::string frame = control::encode(control::error_reply(
        "LimitReached", {{"what", "too many calls are under way; try again"}}));
    // A full buffer of a socket just made means nobody reads: then it is closed without a word.
    (void)control::send_some(socket, frame, {}, false);
}

}  // namespace

ServerLimits limits_within(std::size_t descriptors) {
    ServerLimits limits;
    limits.total = std::min(limits.total, descriptors / 2);
    limits.not_root = std::min(limits.not_root, limits.total - limits.total / 4);
    limits.per_user = std::min(limits.per_user, limits.not_root / 2);
    return limits;
}

Server::Server(struct ev_loop* loop, Roles roles, Connection::OnCall on_call, ServerLimits limits)
    : loop_(loop),
      roles_(std::move(roles)),
      on_call_(std::move(on_call)),
      limits_(limits),
      turns_(loop),
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

/// Closes the idle connection that was last used longest ago, of such users; false: none is idle.
bool Server::drop_idlest(const std::function<bool(uid_t)>& of_whom) {
    Connection* idlest = nullptr;
    for (const auto& [connection, owner] : connections_) {
        if (!connection->is_idle() || !of_whom(connection->caller().uid)) continue;
        if (idlest == nullptr || connection->last_active() < idlest->last_active()) {
            idlest = connection;
        }
    }
    if (idlest == nullptr) return false;
    idlest->close();
    return true;
}

/// First of the user's own; where others than root fill their common share, of any of these.
bool Server::make_room(uid_t uid) {
    while (!has_room(uid)) {
        if (drop_idlest([uid](uid_t owner) { return owner == uid; })) continue;
        const auto own = per_user_.find(uid);
        const bool at_own_limit = own != per_user_.end() && own->second >= limits_.per_user;
        if (uid == 0 || at_own_limit) return false;
        if (!drop_idlest([](uid_t owner) { return owner != 0; })) return false;
    }
    return true;
}

void Server::admit(Fd socket) {
    const auto peer = peer_of(socket.get());
    if (!peer) return spdlog::warn("control: {}", peer.error().message);
    if (!make_room(peer->uid)) return refuse(socket.get());
    const auto connection = std::make_shared<Connection>(
        loop_, turns_, std::move(socket), Caller{.role = roles_.of(*peer), .uid = peer->uid},
        on_call_, [this](Connection& closed) { forget(closed); }, limits_.patience);
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
