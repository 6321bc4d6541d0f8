#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/frame.hpp"
#include "engine/client.hpp"
#include "engine/loop.hpp"

namespace jailsvc::engine {

/// One client of the control socket. Calls are answered one after the other, in their order: the
/// next frame is taken when the reply to the one before has left, so a client can make us hold no
/// more than one unread reply and one buffer of calls. An idle client costs no wake-up.
class Connection final : public Client, public std::enable_shared_from_this<Connection> {
public:
    using OnCall =
        std::function<void(const control::Call&, std::vector<Fd>, const Caller&, const ClientRef&)>;
    using OnClosed = std::function<void(Connection&)>;

    Connection(struct ev_loop* loop, Fd socket, const Caller& caller, OnCall on_call,
               OnClosed on_closed, double patience);

    void open();  ///< starts reading; separate because it needs shared_from_this
    [[nodiscard]] const Caller& caller() const { return caller_; }

    void reply(control::Reply reply, std::vector<Fd> fds) override;
    void on_hangup(std::function<void()> hook) override { hangup_ = std::move(hook); }

private:
    struct Outgoing {
        std::string bytes;
        std::size_t sent = 0;
        std::vector<Fd> fds;
    };
    void on_event(int events);
    void read_some();
    void process();
    void handle(control::Frame frame);
    bool flush();
    void watch();
    void close();

    Fd socket_;
    Caller caller_;
    OnCall on_call_;
    OnClosed on_closed_;
    control::FrameBuffer input_;
    std::deque<Outgoing> output_;
    std::function<void()> hangup_;
    bool calling_ = false;     ///< a call waits for its reply
    bool oneway_ = false;      ///< that call wants none on the wire
    bool processing_ = false;  ///< guards against replies from within a call
    bool ended_ = false;       ///< the client sends no more; close once it is answered
    IoWatch io_;
    double patience_seconds_;
    TimerWatch patience_;  ///< for a reply that stays unread
    TimerWatch yield_;     ///< lets others have their turn between batches of calls
};

}  // namespace jailsvc::engine
