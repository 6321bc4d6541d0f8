#pragma once

#include "ipc/messages.hpp"

namespace jailsvc::keeper {

/// Ends of processes that nobody registered (yet). While the jailer has said that a child is about
/// to exist (Intent), any unknown end may be that child's: it is kept until the child is registered
/// or given up, or the intent's time is over. Otherwise an unknown process is an orphan: forgotten.
class Strays {
public:
    static constexpr std::size_t kCapacity = 1024;
    /// The jailer registers within microseconds of its intent; it is stuck after this time.
    static constexpr std::uint64_t kIntentNs = 2'000'000'000;

    /// One at a time: the jailer makes its children one after the other.
    void open(ipc::Token token, std::uint64_t now_ns) noexcept {
        token_ = token;
        until_ns_ = now_ns + kIntentNs;
    }
    void close(ipc::Token token) noexcept {
        if (token == token_) until_ns_ = 0;
    }
    void close_all() noexcept { until_ns_ = 0; }
    /// Ends an intent whose time is over, and without one drops every kept end.
    void settle(std::uint64_t now_ns) noexcept {
        if (until_ns_ <= now_ns) until_ns_ = 0;
        if (until_ns_ == 0) count_ = 0;
    }
    /// When settle() has to be called at the latest; 0: never.
    [[nodiscard]] std::uint64_t expiry_ns() const noexcept { return until_ns_; }

    /// There must be room().
    void add(pid_t pid, const ipc::Ending& ending) noexcept { endings_[count_++] = {pid, ending}; }
    [[nodiscard]] bool room() const noexcept { return count_ < kCapacity; }
    /// The newest end of that pid, removed; false if there is none.
    [[nodiscard]] bool take(pid_t pid, ipc::Ending& ending) noexcept {
        for (std::size_t i = count_; i-- > 0;) {
            if (endings_[i].pid != pid) continue;
            ending = endings_[i].ending;
            endings_[i].pid = 0;
            return true;
        }
        return false;
    }

private:
    struct Stray {
        pid_t pid;
        ipc::Ending ending;
    };
    Stray endings_[kCapacity]{};
    std::size_t count_ = 0;
    ipc::Token token_ = 0;        ///< of the last intent
    std::uint64_t until_ns_ = 0;  ///< 0: none is open
};

}  // namespace jailsvc::keeper
