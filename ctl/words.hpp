#pragma once

#include <string>
#include <vector>

/// Words of a command that is to be run: CLI11 takes "[a,b]" for a list and apart, so such words
/// are marked before it sees them, and unmarked behind it.
namespace jailsvc::ctl {

/// The arguments as they are but for what comes after "exec" or "run".
[[nodiscard]] std::vector<std::string> marked_words(int argc, char** argv);
void unmark_words(std::vector<std::string>& words);

}  // namespace jailsvc::ctl
