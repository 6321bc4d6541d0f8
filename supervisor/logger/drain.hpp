#pragma once

#include <cstddef>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "logger/unit_log.hpp"

namespace jailsvc::logger {

/// Moves bytes from services' pipes to their logs so that a logger killed at any instant loses
/// none: a block is duplicated (tee(2)), written to the log, and only then taken from the pipe. A
/// kill between the last two repeats a block in the log; it never loses one.
class Drain {
public:
    [[nodiscard]] static Result<Drain> make();

    enum class Outcome { kMoved, kNothing, kEnd };
    /// Moves one block, at most the pipe's capacity: fair between units, never blocks.
    [[nodiscard]] Result<Outcome> move_block(int pipe, UnitLog& log);

private:
    Drain(Fd reader, Fd writer, Fd nowhere);

    Fd reader_, writer_;  ///< the private pipe that holds the duplicate
    Fd nowhere_;          ///< /dev/null
    std::vector<char> block_;
};

}  // namespace jailsvc::logger
