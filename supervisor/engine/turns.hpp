#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>

#include "engine/loop.hpp"

namespace jailsvc::engine {

/// Who of the clients is answered next. Each turn of the loop answers a share of root's calls and a
/// share of one other user's, the users one after the other: neither many connections nor many
/// calls on each, nor many users, keep root or what is supervised waiting. Within its share a
/// user's connections take turns, a call each. Where nobody waits nothing runs.
class Turns {
public:
    class Waiter {
    public:
        /// Answers one call; whether it waits for one more turn.
        virtual bool take_turn() = 0;

    protected:
        ~Waiter() = default;
    };
    using Clock = std::function<std::uint64_t()>;  ///< [ns]

    explicit Turns(struct ev_loop* loop);
    Turns(struct ev_loop* loop, Clock clock);

    /// It takes one of the next turns; once, until that has come.
    void wait(uid_t user, Waiter& waiter);
    void forget(uid_t user, const Waiter& waiter);

private:
    void turn();
    void serve_share(uid_t user);

    Clock clock_;
    std::map<uid_t, std::deque<Waiter*>> waiting_;
    std::deque<uid_t> order_;  ///< users of waiting_ but root, the next one first
    TimerWatch next_;
};

}  // namespace jailsvc::engine
