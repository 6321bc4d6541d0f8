#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "engine/loop.hpp"
#include "engine/notify_socket.hpp"
#include "ipc/messages.hpp"

namespace jailsvc::engine {

/// Reads what services tell of themselves: a notify socket or a pipe each. However much one sends,
/// the others and the loop get their turn; a sender that goes on waits in its own send(2).
class NotifyHub {
public:
    struct Handlers {
        /// `open`: anybody may have sent it, not only processes of the unit's jail.
        std::function<void(const std::string& unit, NotifyDatagram datagram, bool open)> datagram;
        std::function<void(const std::string& unit)> newline;
    };

    NotifyHub(struct ev_loop* loop, Handlers handlers);
    ~NotifyHub();

    /// Takes the place of what the unit had of that kind; what was not read of that is lost.
    void add(const std::string& unit, ipc::NotifyKind kind, Fd fd);
    /// Before that nothing is read.
    void begin();
    /// Reads what has come already, as far as a queue can hold it: before its sender's end is told.
    void drain(const std::string& unit);
    /// Reads what has come already, as far as the unit may say so much: before it counts as silent.
    void hear(const std::string& unit);
    void forget(const std::string& unit);

private:
    struct Channel;
    using Key = std::pair<std::string, ipc::NotifyKind>;
    void readable(const Key& key);
    void read_queued(const std::string& unit, bool sparing);
    [[nodiscard]] bool read_one(const Key& key);
    [[nodiscard]] bool read_newline(const Key& key);

    struct ev_loop* loop_;
    Handlers handlers_;
    bool begun_ = false;
    std::map<Key, std::shared_ptr<Channel>> channels_;
};

}  // namespace jailsvc::engine
