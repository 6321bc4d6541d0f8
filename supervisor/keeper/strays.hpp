#pragma once

#include "keeper/registry.hpp"

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

    void open(ipc::Token token, std::uint64_t now_ns) noexcept;
    void close(ipc::Token token) noexcept;
    void close_all() noexcept { intents_open_ = 0; }
    /// Drops intents whose time is over, and with the last one every kept end.
    void settle(std::uint64_t now_ns) noexcept;
    /// When settle() has to be called at the latest; 0: never.
    [[nodiscard]] std::uint64_t expiry_ns() const noexcept;

    /// There must be room().
    void add(const Ending& ending) noexcept { endings_[count_++] = ending; }
    [[nodiscard]] bool room() const noexcept { return count_ < kCapacity; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    /// The newest end of that pid, removed; false if there is none.
    [[nodiscard]] bool take(pid_t pid, Ending& ending) noexcept;

private:
    struct Intent {
        ipc::Token token;
        std::uint64_t until_ns;
    };
    Ending endings_[kCapacity]{};
    std::size_t count_ = 0;
    Intent intents_[kIntents]{};  ///< oldest first
    std::size_t intents_open_ = 0;
};

}  // namespace jailsvc::keeper
