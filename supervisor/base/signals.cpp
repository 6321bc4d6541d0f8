#include "base/signals.hpp"

#include <fmt/format.h>

#include <charconv>
#include <csignal>
#include <optional>

namespace jailsvc {
namespace {

constexpr std::size_t kMaxShown = 40;

/// Digits and nothing else.
std::optional<int> parse_number(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

/// "RTMIN", "RTMIN+3", "RTMAX", "RTMAX-1".
std::optional<int> parse_realtime(std::string_view name) {
    const bool up = name.starts_with("RTMIN");
    if (!up && !name.starts_with("RTMAX")) return std::nullopt;
    name.remove_prefix(5);
    if (name.empty()) return up ? SIGRTMIN : SIGRTMAX;
    if (name.front() != (up ? '+' : '-')) return std::nullopt;
    const auto offset = parse_number(name.substr(1));
    if (!offset || *offset > SIGRTMAX - SIGRTMIN) return std::nullopt;
    return up ? SIGRTMIN + *offset : SIGRTMAX - *offset;
}

std::optional<int> parse_name(std::string_view name) {
    if (name.starts_with("SIG")) name.remove_prefix(3);
    if (const auto realtime = parse_realtime(name)) return realtime;
    for (int signo = 1; signo < SIGRTMIN; ++signo) {
        const char* known = ::sigabbrev_np(signo);
        if (known != nullptr && name == known) return signo;
    }
    return std::nullopt;
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
    if (const auto number = parse_number(text)) {
        if (*number >= 1 && *number <= SIGRTMAX) return *number;
    } else if (const auto named = parse_name(text)) {
        return *named;
    }
    return fail(fmt::format("\"{}\" is no signal; write \"SIGTERM\", \"SIGUSR1\" or \"SIGRTMIN+3\"",
                            text.substr(0, kMaxShown)));
}

std::string format_signal(int signo) {
    if (const char* known = ::sigabbrev_np(signo)) return fmt::format("SIG{}", known);
    if (signo < SIGRTMIN) return fmt::format("{}", signo);  // the two that the C library keeps
    return fmt::format("SIGRTMIN+{}", signo - SIGRTMIN);
}

}  // namespace jailsvc
