#pragma once

#include <map>
#include <optional>
#include <vector>

#include "ipc/messages.hpp"

namespace jailsvc::engine {

/// Keeps exits that came before the jailer's answer to the same start. The two arrive over
/// different sockets, so a program that could not be executed may be heard to have ended before it
/// is heard why. Nothing is lost here: the keeper repeats an exit until it is acknowledged.
///
/// A start whose jailer died, or that a later jailer only knows to have had a process, stays
/// unanswered: its process may have ended at a gate that was never opened.
class EarlyExits {
public:
    /// A start has been asked for; the jailer answers each with Started or StartFailed.
    void expect_answer(ipc::Token token) { waiting_[token].answerable = true; }
    /// Whether the exit has to wait for that answer, and is kept until then.
    [[nodiscard]] bool hold(const ipc::Exited& exited);
    /// The answer is there: the exit that came before it.
    [[nodiscard]] std::optional<ipc::Exited> answered(ipc::Token token);
    /// Whether answers are on their way.
    [[nodiscard]] bool expecting() const;
    /// Nobody will be able to say whether the program was executed. What was kept.
    [[nodiscard]] std::optional<ipc::Exited> give_up(ipc::Token token);
    /// The jailer died: no answer of its will come. What was kept, in order of tokens.
    [[nodiscard]] std::vector<ipc::Exited> give_up_all();
    /// Whether the start was given up and not asked for again; asked once, at its end.
    [[nodiscard]] bool take_unanswered(ipc::Token token);

private:
    struct Waiting {
        bool answerable = true;
        std::optional<ipc::Exited> exited;
    };
    std::map<ipc::Token, Waiting> waiting_;
};

}  // namespace jailsvc::engine
