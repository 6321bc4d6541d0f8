#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "control/message.hpp"

namespace jailsvc::engine {

/// What a client may do, each including the ones before it.
enum class Role : std::uint8_t { kRead, kOperate, kAdmin };

struct Caller {
    Role role = Role::kRead;
    uid_t uid = 0;
};

/// Whoever waits for the reply to a call. Gone when the connection is: hold a ClientRef.
class Client {
public:
    virtual ~Client() = default;
    /// Ends the call. The descriptors go along and are closed here.
    virtual void reply(control::Reply reply, std::vector<Fd> fds) = 0;
    /// One of several replies to the call, which goes on. False: it takes no more of them, because
    /// it wants only one, because too many wait to be read, or because it is gone.
    [[nodiscard]] virtual bool tell(const control::Reply& reply) = 0;
    /// Called if the client goes away before the reply; forgotten with the reply.
    virtual void on_hangup(std::function<void()> hook) = 0;
};
using ClientRef = std::weak_ptr<Client>;

/// Replies if there still is somebody to reply to.
inline void answer(const ClientRef& client, control::Reply reply, std::vector<Fd> fds = {}) {
    if (const auto alive = client.lock()) alive->reply(std::move(reply), std::move(fds));
}

}  // namespace jailsvc::engine
