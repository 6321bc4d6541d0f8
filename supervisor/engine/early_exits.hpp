#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ipc/messages.hpp"

namespace jailsvc::engine {

/// Keeps exits that came before the jailer's answer to the same start. The two arrive over
/// different sockets, so a program that could not be executed may be heard to have ended before it
/// is heard why. Nothing is lost here: the keeper repeats an exit until it is acknowledged.
class EarlyExits {
public:
    /// A start has been asked for; the jailer answers each with Started or StartFailed.
    void expect_answer(ipc::Token token) { waiting_.try_emplace(token); }
    /// Whether the exit has to wait for that answer, and is kept until then.
    [[nodiscard]] bool hold(const ipc::Exited& exited);
    /// The answer is there: the exit that came before it.
    [[nodiscard]] std::optional<ipc::Exited> answered(ipc::Token token);
    /// The jailer died: no answer of its will come. What was kept, in order of tokens.
    [[nodiscard]] std::vector<ipc::Exited> give_up();

private:
    std::map<ipc::Token, std::optional<ipc::Exited>> waiting_;
};

}  // namespace jailsvc::engine
