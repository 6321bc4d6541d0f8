#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"

/// Directories of control groups: nothing here knows of units.
namespace jailsvc::jailer::cgroup {

/// mkdir; one that is there is no error.
[[nodiscard]] Result<void> make_group(const std::string& directory);

/// Removes the group and those below it; an error (EBUSY) while processes are in one of them. One
/// that is gone is no error.
[[nodiscard]] Result<void> remove_group(const std::string& directory);

/// Not that groups, or what is set in them, are not to be had here, with which units may do, but
/// that it is so at the moment: EAGAIN is the limit of their number (cgroups(7),
/// cgroup.max.descendants).
[[nodiscard]] bool is_shortage(int code);

/// Names of the groups right below.
[[nodiscard]] std::vector<std::string> groups_in(const std::string& directory);

/// Pids of the processes in the group and those below it. They may have ended since.
[[nodiscard]] std::vector<pid_t> processes_in(const std::string& directory);

/// The same without the groups below.
[[nodiscard]] std::vector<pid_t> processes_right_in(const std::string& directory);

/// The words of a file that is a list of them; empty if it cannot be read.
[[nodiscard]] std::vector<std::string> words_of(const std::string& file);

/// Whether the word is among those of the file ("memory" in cgroup.controllers).
[[nodiscard]] bool has_word(const std::string& file, const std::string& word);

}  // namespace jailsvc::jailer::cgroup
