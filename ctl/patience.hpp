#pragma once

#include <string>

#include "base/result.hpp"
#include "control/client.hpp"

namespace jailsvc::ctl {

/// For an answer that does not come: a supervisor that is busy with a long start answers other
/// questions meanwhile, one that hangs does not.
inline constexpr int kLookMs = 5'000;     ///< so long an answer may take before that is asked
inline constexpr int kProbeMs = 2'000;    ///< so long it has for the simplest of answers
inline constexpr int kGiveUpMs = 90'000;  ///< of not answering anything, one question after another

/// Returns when `client` has an answer to read. Says on stderr, once, that the supervisor does not
/// answer, and what to look at; after kGiveUpMs of that it is an error.
[[nodiscard]] Result<void> await_answer(const control::Client& client, const std::string& socket);

}  // namespace jailsvc::ctl
