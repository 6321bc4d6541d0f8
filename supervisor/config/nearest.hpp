#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jailsvc::config {

/// How many insertions, deletions, replacements and swaps of neighbours lead from a to b (optimal
/// string alignment distance).
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that `word` is most likely a misspelling of; empty if none is near enough to help.
[[nodiscard]] std::string nearest(std::string_view word,
                                  const std::vector<std::string>& candidates);

/// `"no", "on-failure" or "always"`, for people.
[[nodiscard]] std::string join_or(const std::vector<std::string>& words);

/// Bytes of a file as a message may repeat them: quoted, shortened, without control characters.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace jailsvc::config
