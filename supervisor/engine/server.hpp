#pragma once

#include <map>
#include <memory>

#include "engine/connection.hpp"
#include "engine/roles.hpp"

namespace jailsvc::engine {

/// How many clients may be connected at once. Who is at a limit and connects once more loses the
/// connection that has been idle for longest; only where none is idle is the new one refused. So
/// nobody can take places without using them, and root's share is nobody else's.
struct ServerLimits {
    std::size_t total = 1200;     ///< with root's
    std::size_t not_root = 1024;  ///< of all users but root together
    std::size_t per_user = 64;    ///< of one user but root
    Connection::Patience patience = {.unread = 30., .idle = 600.};
};

/// The limits for a process that may have so many descriptors open: half of them are for clients.
[[nodiscard]] ServerLimits limits_within(std::size_t descriptors);

/// The listening control socket and its clients.
class Server {
public:
    Server(struct ev_loop* loop, Roles roles, Connection::OnCall on_call, ServerLimits limits = {});

    /// Accepts clients of this listening socket from now on.
    void listen(Fd socket);
    [[nodiscard]] bool listening() const { return static_cast<bool>(socket_); }
    [[nodiscard]] std::size_t clients() const { return connections_.size(); }

private:
    void accept_some();
    void admit(Fd socket);
    [[nodiscard]] bool has_room(uid_t uid) const;
    bool make_room(uid_t uid);
    bool drop_idlest(const std::function<bool(uid_t)>& of_whom);
    void forget(Connection& connection);

    struct ev_loop* loop_;
    Roles roles_;
    Connection::OnCall on_call_;
    ServerLimits limits_;
    Turns turns_;
    Fd socket_;
    std::map<Connection*, std::shared_ptr<Connection>> connections_;
    std::map<uid_t, std::size_t> per_user_;
    IoWatch io_;
    TimerWatch pause_;
};

}  // namespace jailsvc::engine
