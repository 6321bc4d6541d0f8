#pragma once

#include <algorithm>
#include <cstddef>

#include "ipc/messages.hpp"

namespace jailsvc::keeper {

/// Ends of processes that nobody registered (yet). While the jailer has said that a child is about
/// to exist (Intent), any unknown end may be that child's: it is kept until the child is registered
/// or given up, or the intent's time is over. Otherwise an unknown process is an orphan: forgotten.
class Strays {
public:
    static constexpr std::size_t kCapacity = 1024;
    static constexpr std::size_t kIntents = 64;
    /// The jailer registers within microseconds of its intent; it is stuck after this time.
    static constexpr std::uint64_t kIntentNs = 2'000'000'000;

    void open(ipc::Token token, std::uint64_t now_ns) noexcept {
        close(token);
        if (open_ == kIntents) close(intents_[0].token);
        intents_[open_++] = {token, now_ns + kIntentNs};
    }
    void close(ipc::Token token) noexcept {
        close_if([&](const Intent& intent) { return intent.token == token; });
    }
    void close_all() noexcept { open_ = 0; }
    /// Drops intents whose time is over, and with the last one every kept end.
    void settle(std::uint64_t now_ns) noexcept {
        close_if([&](const Intent& intent) { return intent.until_ns <= now_ns; });
        if (open_ == 0) count_ = 0;
    }
    /// When settle() has to be called at the latest; 0: never.
    [[nodiscard]] std::uint64_t expiry_ns() const noexcept {
        return open_ > 0 ? intents_[0].until_ns : 0;
    }

    /// There must be room().
    void add(const ipc::Exited& ending) noexcept { endings_[count_++] = ending; }
    [[nodiscard]] bool room() const noexcept { return count_ < kCapacity; }
    /// The newest end of that pid, removed; false if there is none.
    [[nodiscard]] bool take(pid_t pid, ipc::Exited& ending) noexcept {
        for (std::size_t i = count_; i-- > 0;) {
            if (endings_[i].pid != pid) continue;
            ending = endings_[i];
            endings_[i].pid = 0;
            return true;
        }
        return false;
    }

private:
    struct Intent {
        ipc::Token token;
        std::uint64_t until_ns;
    };
    template <typename Matches>
    void close_if(Matches matches) noexcept {
        Intent* end = std::remove_if(intents_, intents_ + open_, matches);
        open_ = static_cast<std::size_t>(end - intents_);
    }
    ipc::Exited endings_[kCapacity]{};
    std::size_t count_ = 0;
    Intent intents_[kIntents]{};  ///< oldest first
    std::size_t open_ = 0;
};

}  // namespace jailsvc::keeper
