#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/frame.hpp"
#include "engine/client.hpp"
#include "engine/loop.hpp"
#include "engine/turns.hpp"

namespace jailsvc::engine {

/// One client of the control socket. Calls are answered one after the other, in their order: the
/// next frame waits for its turn when the reply to the one before has left, so a client can make us
/// hold no more than one unread reply, or a bounded number of bytes of a stream, and one buffer of
/// calls. An idle client costs no wake-up.
class Connection final : public Client,
                         public Turns::Waiter,
                         public std::enable_shared_from_this<Connection> {
public:
    using OnCall =
        std::function<void(const control::Call&, std::vector<Fd>, const Caller&, const ClientRef&)>;
    using OnClosed = std::function<void(Connection&)>;
    struct Patience {
        double unread;  ///< how long a reply may stay unread [s]
        double idle;    ///< how long a client may ask nothing [s]
    };

    Connection(struct ev_loop* loop, Turns& turns, Fd socket, const Caller& caller, OnCall on_call,
               OnClosed on_closed, Patience patience);

    void open();  ///< starts reading; separate because it needs shared_from_this
    [[nodiscard]] const Caller& caller() const { return caller_; }
    /// Whether nothing is under way for it: it waits for no answer, and none waits for it.
    [[nodiscard]] bool is_idle() const { return !calling_ && !waiting_ && output_.empty(); }
    /// When it was opened or last began a call, by the loop's clock [s].
    [[nodiscard]] double last_active() const { return last_active_; }
    void close();

    void reply(control::Reply reply, std::vector<Fd> fds) override;
    bool tell(const control::Reply& reply) override;
    bool take_turn() override;
    void on_hangup(std::function<void()> hook) override { hangup_ = std::move(hook); }

private:
    struct Outgoing {
        std::string bytes;
        std::size_t sent = 0;
        std::vector<Fd> fds;
    };
    void on_event(int events);
    void read_some();
    [[nodiscard]] bool can_call() const;
    void go_on();
    void handle(control::Frame frame);
    bool flush();
    void watch();
    [[nodiscard]] std::size_t unread() const;

    struct ev_loop* loop_;
    Turns& turns_;
    Fd socket_;
    Caller caller_;
    OnCall on_call_;
    OnClosed on_closed_;
    control::FrameBuffer input_;
    std::deque<Outgoing> output_;
    std::function<void()> hangup_;
    bool waiting_ = false;     ///< a call waits for its turn
    bool calling_ = false;     ///< a call waits for its reply
    bool oneway_ = false;      ///< that call wants none on the wire
    bool more_ = false;        ///< that call wants several
    bool processing_ = false;  ///< guards against replies from within a call
    bool ended_ = false;       ///< the client sends no more; close once it is answered
    IoWatch io_;
    Patience limits_;
    TimerWatch patience_;  ///< for a reply that stays unread
    TimerWatch idle_;      ///< runs while nothing is under way
    double last_active_;
};

}  // namespace jailsvc::engine
