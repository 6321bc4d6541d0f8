#include "keeper/strays.hpp"

#include <cstring>

namespace jailsvc::keeper {

void Strays::open(ipc::Token token, std::uint64_t now_ns) noexcept {
    close(token);
    if (intents_open_ == kIntents) close(intents_[0].token);
    intents_[intents_open_++] = {token, now_ns + kIntentNs};
}

void Strays::close(ipc::Token token) noexcept {
    for (std::size_t i = 0; i < intents_open_; ++i) {
        if (intents_[i].token != token) continue;
        --intents_open_;
        std::memmove(&intents_[i], &intents_[i + 1], (intents_open_ - i) * sizeof(Intent));
        return;
    }
}

void Strays::settle(std::uint64_t now_ns) noexcept {
    while (intents_open_ > 0 && intents_[0].until_ns <= now_ns) close(intents_[0].token);
    if (intents_open_ == 0) count_ = 0;
}

std::uint64_t Strays::expiry_ns() const noexcept {
    return intents_open_ > 0 ? intents_[0].until_ns : 0;
}

bool Strays::take(pid_t pid, Ending& ending) noexcept {
    for (std::size_t i = count_; i-- > 0;) {
        if (endings_[i].pid != pid) continue;
        ending = endings_[i];
        --count_;
        std::memmove(&endings_[i], &endings_[i + 1], (count_ - i) * sizeof(Ending));
        return true;
    }
    return false;
}

}  // namespace jailsvc::keeper
