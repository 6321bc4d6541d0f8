#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "egress/session.hpp"
#include "egress/watch.hpp"

namespace jailsvc::egress {

/// Accepts what comes over the unit's socket and over the loopback of its network, as many at the
/// same time as the settings say: more wait in the kernel's queue.
class Server {
public:
    explicit Server(Context& context);

    /// `local`: a Unix socket.
    void listen(Fd fd, bool local);
    /// Those of the loopback, instead of the ones before.
    void replace_loopback(std::vector<Fd> fds);
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }

private:
    struct Listener {
        explicit Listener(struct ev_loop* loop) : watch(loop) {}
        Fd fd;
        bool local = false;
        IoWatch watch;
    };
    void accept_some(const Listener& listener);
    void ended(Session* session);
    void settle();

    Context& context_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::map<Session*, std::unique_ptr<Session>> sessions_;
    std::vector<std::unique_ptr<Session>> dead_;
    TimerWatch burial_, pause_;
    bool paused_ = false;  ///< no descriptors left
    std::uint64_t count_ = 0;
};

}  // namespace jailsvc::egress
