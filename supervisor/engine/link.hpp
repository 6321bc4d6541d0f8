#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "engine/loop.hpp"
#include "ipc/channel.hpp"

namespace jailsvc::engine {

/// The engine's end of its channel to the keeper, the jailer or the logger. What cannot be sent at
/// once waits in a queue; the peer may be gone for a while and come back with a new socket.
class Link {
public:
    struct Handlers {
        std::function<void(ipc::Packet&)> packet;
        std::function<void()> lost;  ///< the peer is gone; called once per socket
    };

    Link(struct ev_loop* loop, std::string name, Handlers handlers);

    /// Uses `socket` from now on. What had not been sent to the old one is handed back, oldest
    /// first, for the caller to decide what is worth repeating.
    struct Message {
        std::vector<std::byte> bytes;
        std::vector<Fd> fds;
        [[nodiscard]] ipc::Type type() const noexcept;
    };
    [[nodiscard]] std::deque<Message> attach(Fd socket);

    /// Takes out of what has not been sent all messages of that type, oldest first.
    [[nodiscard]] std::vector<Message> take_back(ipc::Type type);

    [[nodiscard]] bool up() const { return static_cast<bool>(socket_); }

    template <ipc::Message T>
    void send(const T& message, std::vector<Fd> fds = {}) {
        const auto* begin = reinterpret_cast<const std::byte*>(&message);
        send(Message{{begin, begin + sizeof message}, std::move(fds)});
    }
    void send(Message message);

private:
    void on_event(int events);
    void read_some();
    void flush();
    void lose(int code);

    std::string name_;
    Handlers handlers_;
    Fd socket_;
    std::deque<Message> queue_;
    IoWatch watch_;
};

}  // namespace jailsvc::engine
