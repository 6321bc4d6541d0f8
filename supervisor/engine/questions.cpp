#include "engine/questions.hpp"

#include <fmt/format.h>

#include <utility>

#include "control/varlink.hpp"

namespace jailsvc::engine {
namespace {

/// Of one kind under way at once; a plan costs the jailer a process.
constexpr std::size_t kMaxPending = 32;

}  // namespace

control::Reply peer_is_away(std::string_view who, double patience) {
    return control::failed(
        fmt::format("the {} has not come back within {} s; the supervisor's log says why", who,
                    static_cast<int>(patience)));
}

Questions::Questions(struct ev_loop* loop, Link& link, std::string who, OnLoss on_loss,
                     double patience)
    : link_(link),
      who_(std::move(who)),
      on_loss_(on_loss),
      patience_seconds_(patience),
      patience_(loop, [this] { give_up(); }) {}

void Questions::put(Link::Message message, Asked asked) {
    if (pending_.size() >= kMaxPending) {
        return answer(
            asked.client,
            control::error_reply(
                "LimitReached",
                {{"what", fmt::format("too many questions to the {}; try again", who_)}}));
    }
    auto& question = pending_[last_serial_];
    question = {.message = std::move(message), .asked = std::move(asked)};
    if (link_.up()) return send(question);
    if (!patience_.running()) patience_.start(patience_seconds_);
}

void Questions::send(Question& question) {
    question.sent = true;
    if (on_loss_ == OnLoss::kFail) return link_.send(std::move(question.message));
    link_.send(Link::Message{question.message.bytes, {}});
}

Questions::Asked Questions::answered(std::uint64_t serial) {
    const auto at = pending_.find(serial);
    if (at == pending_.end()) return {};
    Asked asked = std::move(at->second.asked);
    pending_.erase(at);
    return asked;
}

void Questions::lost() {
    std::vector<ClientRef> failed;  // told last: an answer lets a client's next call in
    for (auto at = pending_.begin(); at != pending_.end();) {
        const bool fails = at->second.sent && on_loss_ == OnLoss::kFail;
        if (fails) failed.push_back(std::move(at->second.asked.client));
        at->second.sent = false;
        at = fails ? pending_.erase(at) : std::next(at);
    }
    if (!pending_.empty() && !patience_.running()) patience_.start(patience_seconds_);
    for (const ClientRef& client : failed) {
        answer(client, control::failed(fmt::format("the {} has been restarted; try again", who_)));
    }
}

void Questions::back() {
    patience_.stop();
    std::erase_if(pending_, [](const auto& entry) { return entry.second.asked.client.expired(); });
    std::vector<std::uint64_t> waiting;
    for (const auto& [serial, question] : pending_) {
        if (!question.sent) waiting.push_back(serial);
    }
    for (const std::uint64_t serial : waiting) {
        const auto at = pending_.find(serial);
        if (at != pending_.end() && link_.up()) send(at->second);  // which may find it lost again
    }
}

void Questions::give_up() {
    for (auto& [serial, question] : std::exchange(pending_, {})) {
        answer(question.asked.client, peer_is_away(who_, patience_seconds_));
    }
}

}  // namespace jailsvc::engine
