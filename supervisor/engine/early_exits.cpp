#include "engine/early_exits.hpp"

#include <algorithm>
#include <utility>

namespace jailsvc::engine {

bool EarlyExits::hold(const ipc::Exited& exited) {
    const auto at = waiting_.find(exited.token);
    if (at == waiting_.end() || !at->second.answerable) return false;
    at->second.exited = exited;
    return true;
}

std::optional<ipc::Exited> EarlyExits::answered(ipc::Token token) {
    const auto at = waiting_.find(token);
    if (at == waiting_.end()) return std::nullopt;
    auto exited = std::move(at->second.exited);
    waiting_.erase(at);
    return exited;
}

bool EarlyExits::expecting() const {
    return std::ranges::any_of(waiting_, [](const auto& entry) { return entry.second.answerable; });
}

std::optional<ipc::Exited> EarlyExits::give_up(ipc::Token token) {
    const auto at = waiting_.find(token);
    if (at == waiting_.end()) return std::nullopt;
    at->second.answerable = false;
    return std::exchange(at->second.exited, std::nullopt);
}

std::vector<ipc::Exited> EarlyExits::give_up_all() {
    std::vector<ipc::Exited> kept;
    // What an earlier jailer left and nobody has asked for since never became a process.
    std::erase_if(waiting_, [](const auto& entry) { return !entry.second.answerable; });
    for (auto& [token, waiting] : waiting_) {
        waiting.answerable = false;
        if (waiting.exited) kept.push_back(*std::exchange(waiting.exited, std::nullopt));
    }
    return kept;
}

bool EarlyExits::take_unanswered(ipc::Token token) {
    const auto at = waiting_.find(token);
    if (at == waiting_.end() || at->second.answerable) return false;
    waiting_.erase(at);
    return true;
}

}  // namespace jailsvc::engine
