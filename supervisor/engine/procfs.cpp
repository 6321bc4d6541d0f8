#include "engine/procfs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "base/sys.hpp"

namespace jailsvc::engine {
namespace {

/// Children of the keeper that are looked at: its three are among the first unless restarted often.
constexpr int kMaxChildren = 4096;

/// The next word, cut off the front; empty at the end.
std::string_view next_word(std::string_view& text) {
    const std::size_t begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) return text = {};
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    text.remove_prefix(word.size());
    return word;
}

std::optional<std::uint64_t> number(std::string_view word) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (code != std::errc() || end != word.data() + word.size()) return std::nullopt;
    return value;
}

/// Second argument of a `jailsvcd` process; empty for any other.
std::string role_of(std::string_view pid) {
    const auto name = sys::read_file(fmt::format("/proc/{}/comm", pid), 64);
    if (!name || *name != "jailsvcd\n") return {};
    const auto arguments = sys::read_file(fmt::format("/proc/{}/cmdline", pid), 65536);
    if (!arguments) return {};
    const std::size_t end = arguments->find('\0');
    if (end == std::string::npos) return {};
    return arguments->c_str() + end + 1;
}

}  // namespace

std::optional<Usage> parse_usage(std::string_view stat, std::string_view statm,
                                 std::uint64_t ticks_per_second, std::uint64_t page_bytes) {
    // The name in field 2 may hold anything, also ") "; the last ')' ends it.
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    stat.remove_prefix(name_end + 1);
    std::uint64_t ticks = 0;
    std::uint64_t threads = 0;
    for (int field = 3; field <= 20; ++field) {
        const std::string_view word = next_word(stat);
        if (field != 14 && field != 15 && field != 20) continue;
        const auto value = number(word);
        if (!value) return std::nullopt;
        (field == 20 ? threads : ticks) += *value;
    }
    (void)next_word(statm);
    const auto pages = number(next_word(statm));
    if (!pages) return std::nullopt;
    return Usage{.resident_bytes = *pages * page_bytes,
                 .cpu_us = ticks * 1'000'000 / ticks_per_second,
                 .threads = threads};
}

std::optional<Usage> usage_of(pid_t pid) {
    const auto stat = sys::read_file(fmt::format("/proc/{}/stat", pid), 4096);
    const auto statm = sys::read_file(fmt::format("/proc/{}/statm", pid), 4096);
    if (!stat || !statm) return std::nullopt;
    return parse_usage(*stat, *statm, static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)),
                       static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

std::map<std::string, pid_t> supervisor_processes() {
    const pid_t keeper = ::getppid();
    std::map<std::string, pid_t> processes{{"init", keeper}, {"engine", ::getpid()}};
    const auto children = sys::read_file(fmt::format("/proc/{0}/task/{0}/children", keeper));
    if (!children) return processes;
    std::string_view rest = *children;
    for (int i = 0; i < kMaxChildren && processes.size() < 4; ++i) {
        const std::string_view pid = next_word(rest);
        if (pid.empty()) break;
        const std::string role = role_of(pid);
        if (role != "jailer" && role != "logger") continue;
        processes[role] = static_cast<pid_t>(number(pid).value_or(0));
    }
    return processes;
}

}  // namespace jailsvc::engine
