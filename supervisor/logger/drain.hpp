#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::logger {

/// Moves bytes from services' pipes to their logs so that a logger killed at any instant loses
/// none: a block is duplicated (tee(2)), written to the log, and only then taken from the pipe. A
/// kill between the last two repeats a block in the log; it never loses one.
class Drain {
public:
    [[nodiscard]] static Result<Drain> make();

    enum class Outcome { kMoved, kNothing, kEnd };
    using Take = std::function<void(std::string_view bytes)>;
    /// Moves one block, at most the pipe's capacity: fair between units, never blocks.
    [[nodiscard]] Result<Outcome> move_block(int pipe, const Take& take);

    /// In place of a loop that waits for a disk with a block in its hands: takes what the pipe
    /// holds after that block, without leaving it there until it is written. A kill loses it.
    [[nodiscard]] Result<Outcome> take_now(int pipe, const Take& take);

private:
    Drain(Fd reader, Fd writer, Fd nowhere);

    Fd reader_, writer_;  ///< the private pipe that holds the duplicate
    Fd nowhere_;          ///< /dev/null
    std::vector<char> block_;
    int busy_pipe_ = -1;         ///< whose block is being taken
    std::size_t in_pipe_ = 0;    ///< bytes of it that are in the pipe still
    std::vector<char> rescued_;  ///< of take_now
};

}  // namespace jailsvc::logger
