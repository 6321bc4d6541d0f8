#include "engine/process_list.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/sys.hpp"

namespace jailsvc::engine {
namespace {

constexpr std::size_t kMaxFile = 65536;
constexpr std::size_t kMaxCommand = 256;  ///< [bytes] of a command line that are told

/// Fields of proc(5) stat after the name, from 3 on.
enum Field {
    kState = 3,
    kParent = 4,
    kUserTime = 14,
    kSystemTime = 15,
    kThreads = 20,
    kStart = 22,
    kResident = 24
};

std::string_view next_word(std::string_view& text) {
    const std::size_t begin = std::min(text.find_first_not_of(" \n"), text.size());
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \n"));
    text.remove_prefix(word.size());
    return word;
}

template <typename T>
T number(std::string_view word) {
    T value = 0;
    (void)std::from_chars(word.data(), word.data() + word.size(), value);
    return value;
}

/// Blanks between the arguments; a process may write anything there.
std::string command_of(pid_t pid) {
    auto text = sys::read_file(fmt::format("/proc/{}/cmdline", pid), kMaxFile);
    if (!text) return "";
    while (text->ends_with('\0')) text->pop_back();
    text->resize(std::min(text->size(), kMaxCommand));
    std::ranges::replace(*text, '\0', ' ');
    return *text;
}

control::Json to_json(const ProcessInfo& process) {
    return {{"pid", process.pid},         {"parent", process.parent},
            {"name", process.name},       {"state", std::string(1, process.state)},
            {"threads", process.threads}, {"memory", process.resident_bytes},
            {"cpu", process.cpu_us},      {"command", command_of(process.pid)}};
}

std::optional<ProcessInfo> process_of(pid_t pid) {
    const auto stat = sys::read_file(fmt::format("/proc/{}/stat", pid), kMaxFile);
    if (!stat) return std::nullopt;
    return parse_process(*stat, static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)),
                         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace

std::optional<ProcessInfo> parse_process(std::string_view stat, std::uint64_t ticks_per_second,
                                         std::uint64_t page_bytes) {
    // The name in field 2 may hold anything, also ") "; the last ')' ends it.
    const std::size_t name_begin = stat.find('(');
    const std::size_t name_end = stat.rfind(')');
    if (name_begin == std::string_view::npos || name_end < name_begin) return std::nullopt;
    if (name_end == std::string_view::npos) return std::nullopt;
    ProcessInfo process;
    process.pid = number<pid_t>(stat);
    process.name = stat.substr(name_begin + 1, name_end - name_begin - 1);
    stat.remove_prefix(name_end + 1);
    std::uint64_t ticks = 0;
    for (int field = kState; field <= kResident; ++field) {
        const std::string_view word = next_word(stat);
        if (word.empty()) return std::nullopt;
        if (field == kState) process.state = word.front();
        if (field == kParent) process.parent = number<pid_t>(word);
        if (field == kUserTime || field == kSystemTime) ticks += number<std::uint64_t>(word);
        if (field == kThreads) process.threads = number<std::uint64_t>(word);
        if (field == kStart) process.start_ticks = number<std::uint64_t>(word);
        if (field == kResident) process.resident_bytes = number<std::uint64_t>(word) * page_bytes;
    }
    process.cpu_us = ticks * 1'000'000 / ticks_per_second;
    return process.pid > 0 ? std::optional(process) : std::nullopt;
}

std::vector<pid_t> with_descendants(pid_t pid) {
    std::vector<pid_t> all{pid};
    for (std::size_t i = 0; i < all.size() && all.size() < kMaxProcesses; ++i) {
        const auto children = sys::read_file(fmt::format("/proc/{0}/task/{0}/children", all[i]));
        if (!children) continue;
        std::string_view rest = *children;
        for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
            all.push_back(number<pid_t>(word));
        }
    }
    return all;
}

control::Json list_processes(const std::vector<pid_t>& pids, std::size_t most) {
    auto list = control::Json::array();
    for (const pid_t pid : pids) {
        if (list.size() == most) break;
        if (const auto process = process_of(pid)) list.push_back(to_json(*process));
    }
    return list;
}

}  // namespace jailsvc::engine
