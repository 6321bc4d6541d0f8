#pragma once

#include <string>
#include <utility>

#include "base/result.hpp"
#include "control/client.hpp"

namespace jailsvc::ctl {

/// For an answer that does not come: a supervisor that is busy with a long start answers other
/// questions meanwhile, one that hangs does not.
inline constexpr int kLookMs = 5'000;     ///< so long an answer may take before that is asked
inline constexpr int kProbeMs = 2'000;    ///< so long it has for the simplest of answers
inline constexpr int kGiveUpMs = 90'000;  ///< of not answering anything, one question after another

/// Looks after a supervisor that lets a client wait.
class Patience {
public:
    explicit Patience(std::string socket) : socket_(std::move(socket)) {}

    /// To be called each time kLookMs have passed without an answer. Says on stderr, once, that the
    /// supervisor does not answer, and what to look at.
    void look();
    /// Whether it has answered nothing for kGiveUpMs.
    [[nodiscard]] bool is_over() const { return silent_ms_ >= kGiveUpMs; }
    [[nodiscard]] Error error() const;

private:
    std::string socket_;
    int silent_ms_ = 0;
    bool told_ = false;
};

/// Returns when `client` has an answer to read; an error once patience is over.
[[nodiscard]] Result<void> await_answer(const control::Client& client, const std::string& socket);

}  // namespace jailsvc::ctl
