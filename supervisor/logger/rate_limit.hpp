#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace jailsvc::logger {

/// Lets a rate of bytes pass, ten seconds' worth at once; beyond it whole lines are dropped and
/// counted until one second's worth is free again, so that notes of it are rare.
class RateLimit {
public:
    /// Of a block, the first bytes that may pass; the rest is dropped. A line whose start was
    /// dropped is dropped to its end: `skipped` bytes of the block come before what passes.
    struct Verdict {
        std::size_t skipped = 0;
        std::size_t passed = 0;
        bool cut = false;  ///< dropping has begun here, perhaps within a line
    };
    [[nodiscard]] Verdict admit(std::string_view bytes, std::uint64_t rate, std::uint64_t now_us);

    /// What was dropped, once it can be told: when something may pass again.
    struct Dropped {
        std::uint64_t lines = 0;
        std::uint64_t bytes = 0;
    };
    [[nodiscard]] std::optional<Dropped> take_dropped(std::uint64_t rate, std::uint64_t now_us);
    [[nodiscard]] bool has_dropped() const noexcept { return dropped_.lines > 0; }

private:
    void refill(std::uint64_t rate, std::uint64_t now_us);
    void drop(std::string_view bytes);

    std::uint64_t free_ = 0;  ///< bytes that may pass now
    std::uint64_t last_us_ = 0;
    Dropped dropped_;
    bool shut_ = false;
    bool in_dropped_line_ = false;
};

}  // namespace jailsvc::logger
