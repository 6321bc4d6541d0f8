#include "config/logging.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/names.hpp"

namespace jailsvc::config {
namespace {

constexpr std::pair<std::string_view, Sinks::Sink> kNames[] = {
    {"log", Sinks::kLog},         {"journal", Sinks::kJournal},
    {"syslog", Sinks::kSyslog},   {"syslog-5424", Sinks::kSyslog5424},
    {"console", Sinks::kConsole}, {"container", Sinks::kContainer},
};

constexpr std::string_view kFile = "file:";

Result<Sinks> parse_file(std::string_view path) {
    if (!is_absolute_path(path)) {
        return fail(fmt::format("\"{}\" must be an absolute path without \"..\"", path));
    }
    return Sinks{.set = 0, .file = std::string(path)};
}

}  // namespace

Result<Sinks> parse_sinks(std::string_view text) {
    if (text.starts_with(kFile)) return parse_file(text.substr(kFile.size()));
    Sinks sinks;
    if (text == "null") return sinks;
    for (;;) {
        const std::string_view word = text.substr(0, text.find('+'));
        const auto* known = std::ranges::find(kNames, word, [](auto& row) { return row.first; });
        if (known == std::end(kNames)) {
            return fail(
                fmt::format("unknown sink \"{}\"; use \"log\", \"journal\", \"syslog\", "
                            "\"syslog-5424\", \"console\" or \"container\", joined by "
                            "\"+\", or \"null\", or \"file:/PATH\"",
                            word));
        }
        sinks.set |= known->second;
        if (word.size() == text.size()) return sinks;
        text.remove_prefix(word.size() + 1);
    }
}

}  // namespace jailsvc::config
