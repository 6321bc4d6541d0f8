#include "engine/early_exits.hpp"

#include <utility>

namespace jailsvc::engine {

bool EarlyExits::hold(const ipc::Exited& exited) {
    const auto at = waiting_.find(exited.token);
    if (at == waiting_.end()) return false;
    at->second = exited;
    return true;
}

std::optional<ipc::Exited> EarlyExits::answered(ipc::Token token) {
    const auto at = waiting_.find(token);
    if (at == waiting_.end()) return std::nullopt;
    const auto exited = at->second;
    waiting_.erase(at);
    return exited;
}

std::vector<ipc::Exited> EarlyExits::give_up() {
    std::vector<ipc::Exited> kept;
    for (const auto& [token, exited] : std::exchange(waiting_, {})) {
        if (exited) kept.push_back(*exited);
    }
    return kept;
}

}  // namespace jailsvc::engine
