#include "engine/unit_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/sys.hpp"
#include "ipc/channel.hpp"

namespace jailsvc::engine {
namespace {

constexpr std::size_t kMaxFile = 65536;
constexpr std::size_t kMaxTasks = 1U << 20;  ///< [bytes] of a list of them

std::optional<std::uint64_t> to_number(std::string_view text) {
    while (text.ends_with('\n')) text.remove_suffix(1);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<std::uint64_t> read_number(const std::string& file) {
    const auto text = sys::read_file(file, kMaxFile);
    return text ? to_number(*text) : std::nullopt;
}

std::optional<std::uint64_t> read_counter(const std::string& file, std::string_view word) {
    const auto text = sys::read_file(file, kMaxFile);
    return text ? find_counter(*text, word) : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> find_counter(std::string_view text, std::string_view word) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.size() > word.size() && line.starts_with(word) && line[word.size()] == ' ') {
            return to_number(line.substr(word.size() + 1));
        }
    }
    return std::nullopt;
}

void UnitGroups::set(const ipc::Groups& groups) {
    const auto place = [](const ipc::Groups::Place& from) {
        return Place{std::string(ipc::get_text(from.directory)), from.v2 != 0};
    };
    tracker_ = place(groups.tracker);
    memory_ = place(groups.memory);
    cpu_ = place(groups.cpu);
    pids_ = place(groups.pids);
}

std::string UnitGroups::Place::file(std::string_view unit, std::string_view v1_name,
                                    std::string_view v2_name) const {
    return fmt::format("{}/{}.unit/{}", directory, unit, v2 ? v2_name : v1_name);
}

/// Version 2 counts it in every group, in microseconds; version 1 in nanoseconds.
std::optional<std::uint64_t> UnitGroups::processor_us(std::string_view unit) const {
    if (cpu_.v2) return read_counter(cpu_.file(unit, "", "cpu.stat"), "usage_usec");
    const auto nanoseconds = read_number(cpu_.file(unit, "cpuacct.usage", ""));
    return nanoseconds ? std::optional(*nanoseconds / 1000) : std::nullopt;
}

/// A unit without a limit of tasks may have no group of the pids controller: they are counted.
std::optional<std::uint64_t> UnitGroups::tasks(std::string_view unit) const {
    if (const auto known = read_number(pids_.file(unit, "pids.current", "pids.current"))) {
        return known;
    }
    const auto list = sys::read_file(tracker_.file(unit, "tasks", "cgroup.threads"), kMaxTasks);
    if (!list) return std::nullopt;
    return static_cast<std::uint64_t>(std::ranges::count(*list, '\n'));
}

std::optional<Usage> UnitGroups::usage_of(std::string_view unit) const {
    const auto bytes = read_number(memory_.file(unit, "memory.usage_in_bytes", "memory.current"));
    const auto cpu = processor_us(unit);
    const auto count = tasks(unit);
    if (!bytes || !cpu || !count) return std::nullopt;
    return Usage{.resident_bytes = *bytes, .cpu_us = *cpu, .threads = *count};
}

std::optional<std::vector<pid_t>> UnitGroups::processes_of(std::string_view unit) const {
    const auto list =
        sys::read_file(tracker_.file(unit, "cgroup.procs", "cgroup.procs"), kMaxTasks);
    if (!list) return std::nullopt;
    std::vector<pid_t> all;
    for (std::string_view rest = *list; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const auto pid = to_number(rest.substr(0, end));
        if (pid && *pid > 0) all.push_back(static_cast<pid_t>(*pid));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::ranges::sort(all);  // version 1 may name one twice (cgroups.rst of v1, "cgroup.procs")
    all.erase(std::ranges::unique(all).begin(), all.end());
    return all;
}

bool UnitGroups::is_frozen(std::string_view unit) const {
    const std::string file = tracker_.file(unit, "freezer.state", "cgroup.events");
    if (tracker_.v2) return read_counter(file, "frozen").value_or(0) == 1;
    const auto state = sys::read_file(file, kMaxFile);
    return state && *state == "FROZEN\n";
}

/// By the process's own word of it, which names groups that the service has made in its own too.
bool UnitGroups::contains(std::string_view unit, pid_t pid) const {
    const std::string whole = fmt::format("{}/{}.unit", tracker_.directory, unit);
    const std::string name = fmt::format("/{}.unit", unit);
    const auto text = sys::read_file(fmt::format("/proc/{}/cgroup", pid), kMaxFile);
    if (tracker_.directory.empty() || !text) return false;
    std::string_view rest = *text;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto path = line.find(":/");
        const auto at = path == std::string_view::npos ? path : line.find(name, path);
        if (at == std::string_view::npos) continue;
        const auto end = at + name.size();
        const bool component = end == line.size() || line[end] == '/';
        if (component && whole.ends_with(line.substr(path + 1, end - path - 1))) return true;
    }
    return false;
}

UnitGroups::Hits UnitGroups::hits_of(std::string_view unit) const {
    const std::string memory = memory_.file(unit, "memory.oom_control", "memory.events");
    const std::string pids = pids_.file(unit, "pids.events", "pids.events");
    return {.oom_kills = read_counter(memory, "oom_kill").value_or(0),
            .refused_tasks = read_counter(pids, "max").value_or(0)};
}

}  // namespace jailsvc::engine
