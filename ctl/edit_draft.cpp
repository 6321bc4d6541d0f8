// What a person gets to edit, and what of it is kept.

#include <fmt/format.h>

#include "edit.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::string_view kLine = "#--- What stands below this line is not kept. ---";

/// Calls `each` with every line, without its end.
void for_lines(std::string_view text, const auto& each) {
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        each(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
}

}  // namespace

std::string kept_of(std::string_view draft) {
    // At the start of a line only: a value may have the words.
    std::size_t line = draft.starts_with(kLine) ? 0 : draft.find(fmt::format("\n{}", kLine));
    std::string_view kept = draft.substr(0, line);
    const std::size_t first = kept.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    // From the start of that line.
    const std::size_t begin = kept.rfind('\n', first);
    kept.remove_prefix(begin == std::string_view::npos ? 0 : begin + 1);
    return std::string(kept.substr(0, kept.find_last_not_of(" \t\r\n") + 1)) + "\n";
}

std::string draft_of(std::string_view present, std::string_view file, std::string_view under) {
    std::string draft(present);
    draft += fmt::format(
        "{}\n\n{}\n# What you write above it goes over {}, key by key;\n# `jailsvc explain` lists "
        "the keys. With nothing above the line the file goes away. Now:\n#\n",
        present.empty() ? "\n" : "", kLine, file);
    for_lines(under, [&](std::string_view line) { draft += fmt::format("# {}\n", line); });
    return draft;
}

bool says_nothing(std::string_view text) {
    bool nothing = true;
    for_lines(text, [&](std::string_view line) {
        const std::size_t first = line.find_first_not_of(" \t\r");
        nothing = nothing && (first == std::string_view::npos || line[first] == '#');
    });
    return nothing;
}

}  // namespace jailsvc::ctl
