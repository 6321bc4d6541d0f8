#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "jail/jailer_world.hpp"

/// What a start leaves on the machine, and what a jail is like, as lines of text that are the same
/// for two of one unit.
namespace jailsvc::faults {

using Lines = std::vector<std::string>;  ///< sorted

/// Processes, mounts, control groups, interfaces, files below the world's root, what the keeper
/// was asked to keep, and the jailer's descriptors.
[[nodiscard]] Lines all_there_is(test::JailerWorld& world);

/// All that the kernel tells of a program and of its jail's init (0: none), from outside.
[[nodiscard]] Lines seen_from_outside(pid_t program, pid_t init);

/// The jailer and every process below it and the keeper, with the system call each is in.
[[nodiscard]] Lines who_waits(const test::JailerWorld& world);

/// What is in `more` and not in `less`, counting each line as often as it is there.
[[nodiscard]] Lines difference(const Lines& more, const Lines& less);

/// One line each, indented; at most a few.
[[nodiscard]] std::string to_text(const Lines& lines);

}  // namespace jailsvc::faults
