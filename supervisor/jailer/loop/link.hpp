#pragma once

#include <deque>
#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "ipc/channel.hpp"
#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {

/// One socket to the keeper or the engine. Sending never blocks: what the kernel does not take is
/// queued, in order, descriptors duplicated. While much is queued nothing more is read, so that a
/// peer that asks without listening fills its own queue and not our memory.
class Link {
public:
    struct Handlers {
        std::function<void(ipc::Packet&)> packet;
        std::function<void()> gone;  ///< the peer has closed, or its queue is beyond the limit
    };

    Link(struct ev_loop* loop, std::string name, Handlers handlers);

    /// Takes the place of the former socket; what was queued for that one is dropped. Nothing is
    /// read before `resume`.
    void attach(Fd socket);
    void detach();
    void resume();
    [[nodiscard]] bool attached() const { return static_cast<bool>(socket_); }

    /// Dropped when nobody is attached: a new peer asks again for what it wants to know.
    template <ipc::Message T>
    void send(const T& message, std::initializer_list<int> fds = {}) {
        send_bytes(&message, sizeof message, fds);
    }

    /// Calls `next` once everything sent so far is in the kernel's hands; at once if it is. Never
    /// called if the socket is detached before.
    void when_drained(std::function<void()> next);

private:
    struct Queued {
        std::string bytes;
        std::vector<Fd> fds;
    };
    void send_bytes(const void* bytes, std::size_t size, std::initializer_list<int> fds);
    void enqueue(const void* bytes, std::size_t size, std::initializer_list<int> fds);
    void readable();
    void writable();
    void watch_reading();

    std::string name_;
    Handlers handlers_;
    Fd socket_;
    IoWatch reading_;
    IoWatch writing_;
    bool resumed_ = false;
    std::deque<Queued> queue_;
    std::vector<std::function<void()>> drained_;
};

}  // namespace jailsvc::jailer
