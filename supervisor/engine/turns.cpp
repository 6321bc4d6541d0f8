#include "engine/turns.hpp"

#include <utility>

#include "base/clock.hpp"

namespace jailsvc::engine {
namespace {

constexpr uid_t kRoot = 0;
// A share ends with whichever comes first; a call that takes longer is a share of its own.
constexpr int kCalls = 16;
constexpr std::uint64_t kTimeNs = 1'000'000;

}  // namespace

Turns::Turns(struct ev_loop* loop) : Turns(loop, boottime_ns) {}

Turns::Turns(struct ev_loop* loop, Clock clock)
    : clock_(std::move(clock)), next_(loop, [this] { turn(); }) {}

void Turns::wait(uid_t user, Waiter& waiter) {
    const auto [at, is_new] = waiting_.try_emplace(user);
    at->second.push_back(&waiter);
    if (is_new && user != kRoot) order_.push_back(user);
    if (!next_.running()) next_.start(0.);
}

/// A user of whom nobody is left waits until its turn.
void Turns::forget(uid_t user, const Waiter& waiter) {
    const auto found = waiting_.find(user);
    if (found != waiting_.end()) std::erase(found->second, &waiter);
}

void Turns::turn() {
    if (waiting_.contains(kRoot)) serve_share(kRoot);
    if (!order_.empty()) {
        const uid_t user = order_.front();
        order_.pop_front();
        serve_share(user);
        if (waiting_.contains(user)) order_.push_back(user);
    }
    if (!waiting_.empty()) next_.start(0.);
}

/// Who takes a turn may let others wait or be forgotten, of the same user too.
void Turns::serve_share(uid_t user) {
    std::deque<Waiter*>& queue = waiting_.at(user);
    const std::uint64_t end = clock_() + kTimeNs;
    for (int i = 0; i < kCalls && !queue.empty(); ++i) {
        Waiter* const waiter = queue.front();
        queue.pop_front();
        if (waiter->take_turn()) queue.push_back(waiter);
        if (clock_() >= end) break;
    }
    if (queue.empty()) waiting_.erase(user);
}

}  // namespace jailsvc::engine
