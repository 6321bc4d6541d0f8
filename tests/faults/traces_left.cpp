#include "traces_left.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <sstream>

#include "base/sys.hpp"
#include "jailer/cgroup/supervisor_name.hpp"
#include "jailer/loop/processes.hpp"

namespace jailsvc::faults {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMostShown = 8;
constexpr std::size_t kMostText = 4U << 20;

/// Numbers of inodes, peer groups and the like differ from one jail to the next: "socket:[]".
std::string without_numbers(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (std::isdigit(static_cast<unsigned char>(c)) == 0) result += c;
    }
    return result;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string link_of(const std::string& path) {
    std::error_code failed;
    const auto target = fs::read_symlink(path, failed);
    return failed ? "?" : target.string();
}

/// Of a numbered thing only what it is; a path is itself.
void add_descriptors(Lines& lines, const std::string& who, pid_t pid) {
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/fd", pid), failed)) {
        const std::string target = link_of(entry.path());
        lines.push_back(fmt::format("{}: descriptor {}", who,
                                    target.starts_with('/') ? target : without_numbers(target)));
    }
}

/// proc_pid_mountinfo(5) without ids and device numbers.
std::string mount_line(const std::string& line) {
    std::istringstream fields(line);
    std::string field, result;
    for (int i = 0; fields >> field; ++i) {
        if (i < 3) continue;
        const bool is_group = field.starts_with("shared:") || field.starts_with("master:") ||
                              field.starts_with("propagate_from:");
        result += (is_group ? without_numbers(field) : field) + " ";
    }
    return result;
}

void add_mounts(Lines& lines, const std::string& who, pid_t pid) {
    const auto text = sys::read_file(fmt::format("/proc/{}/mountinfo", pid), kMostText);
    if (!text) return;
    for (const auto& line : lines_of(*text)) lines.push_back(who + ": mount " + mount_line(line));
}

void add_processes(Lines& lines, test::JailerWorld& world) {
    const auto add = [&](const std::string& whose, pid_t parent) {
        for (const pid_t pid : jailer::children_of(parent)) {
            if (pid == world.jailer() || world.not_ours.contains(pid)) continue;
            if (jailer::is_exiting(pid)) continue;
            const auto name = sys::read_file(fmt::format("/proc/{}/comm", pid));
            lines.push_back(fmt::format("process of {}: {}", whose, name.value_or("?")));
        }
    };
    add("the keeper", ::getpid());
    add("the jailer", world.jailer());
}

void add_groups(Lines& lines) {
    jailer::cgroup::Supervisor self = jailer::cgroup::own_supervisor();
    self.keeper = ::getpid();
    self.start = jailer::start_time_of(self.keeper);
    const std::string name = jailer::cgroup::to_name(self);
    std::error_code failed;
    fs::recursive_directory_iterator at("/sys/fs/cgroup", failed);
    for (; !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
        if (!at->is_directory(failed) || at->is_symlink(failed)) continue;
        const std::string path = at->path();
        if (path.find(name) != std::string::npos) lines.push_back("group " + path);
    }
}

void add_interfaces(Lines& lines) {
    const auto text = sys::read_file("/proc/thread-self/net/dev");
    if (!text) return;
    for (const auto& line : lines_of(*text)) {
        const auto colon = line.find(':');
        if (colon != std::string::npos) lines.push_back("interface " + line.substr(0, colon));
    }
}

void add_files(Lines& lines, const std::string& root) {
    std::error_code failed;
    for (const auto& entry : fs::recursive_directory_iterator(root, failed)) {
        lines.push_back("file " + entry.path().string());
    }
}

void add_status(Lines& lines, const std::string& who, pid_t pid) {
    static constexpr std::array kKeys{
        "Umask:",  "Uid:",    "Gid:",    "Groups:", "SigBlk:",     "SigIgn:",  "CapInh:",
        "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"};
    const auto text = sys::read_file(fmt::format("/proc/{}/status", pid), kMostText);
    if (!text) return;
    for (const auto& line : lines_of(*text)) {
        const auto is_it = [&](const char* key) { return line.starts_with(key); };
        if (std::ranges::any_of(kKeys, is_it)) lines.push_back(who + ": " + line);
    }
}

void add_namespaces(Lines& lines, const std::string& who, pid_t pid) {
    for (const char* type : {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}) {
        const bool same = link_of(fmt::format("/proc/{}/ns/{}", pid, type)) ==
                          link_of(fmt::format("/proc/thread-self/ns/{}", type));
        lines.push_back(fmt::format("{}: namespace {} {}", who, type, same ? "shared" : "own"));
    }
}

void add_files_of_proc(Lines& lines, const std::string& who, pid_t pid) {
    for (const char* name : {"limits", "cgroup", "oom_score_adj", "uid_map", "gid_map", "net/dev",
                             "net/route", "net/if_inet6", "setgroups"}) {
        const auto text = sys::read_file(fmt::format("/proc/{}/{}", pid, name), kMostText);
        if (!text) continue;
        for (const auto& line : lines_of(*text)) {
            const bool counts = std::string_view(name).starts_with("net/dev");
            lines.push_back(fmt::format("{}: {} {}", who, name,
                                        counts ? line.substr(0, line.find(':')) : line));
        }
    }
    for (const char* name : {"cwd", "root", "exe"}) {
        lines.push_back(
            fmt::format("{}: {} {}", who, name, link_of(fmt::format("/proc/{}/{}", pid, name))));
    }
}

/// Field 19 of proc_pid_stat(5), counted after the name, which may hold anything.
void add_niceness(Lines& lines, const std::string& who, pid_t pid) {
    const auto text = sys::read_file(fmt::format("/proc/{}/stat", pid));
    if (!text) return;
    std::istringstream fields(text->substr(text->rfind(')') + 1));
    std::string field;
    for (int i = 3; i <= 19; ++i) fields >> field;
    lines.push_back(who + ": nice " + field);
}

}  // namespace

Lines all_there_is(test::JailerWorld& world) {
    world.catch_up();
    Lines lines;
    add_processes(lines, world);
    add_descriptors(lines, "jailer", world.jailer());
    add_mounts(lines, "jailer", world.jailer());
    add_groups(lines);
    add_interfaces(lines);
    add_files(lines, world.root);
    for (const auto& item : world.kept) {
        lines.push_back(
            fmt::format("kept {} {} {}", static_cast<int>(item.kind), item.index, item.unit));
    }
    std::ranges::sort(lines);
    return lines;
}

Lines seen_from_outside(pid_t program, pid_t init) {
    Lines lines;
    for (const auto& [who, pid] : {std::pair{"program", program}, std::pair{"init", init}}) {
        if (pid == 0) continue;
        add_status(lines, who, pid);
        add_namespaces(lines, who, pid);
        add_files_of_proc(lines, who, pid);
        add_mounts(lines, who, pid);
        add_descriptors(lines, who, pid);
        add_niceness(lines, who, pid);
    }
    std::ranges::sort(lines);
    return lines;
}

Lines who_waits(const test::JailerWorld& world) {
    Lines lines;
    for (const pid_t parent : {::getpid(), world.jailer()}) {
        for (const pid_t pid : jailer::children_of(parent)) {
            std::string line = fmt::format("{} below {}:", pid, parent);
            for (const char* name : {"comm", "stat", "wchan", "syscall"}) {
                line += " " + sys::read_file(fmt::format("/proc/{}/{}", pid, name)).value_or("?");
            }
            std::ranges::replace(line, '\n', ' ');
            lines.push_back(line);
        }
    }
    return lines;
}

Lines difference(const Lines& more, const Lines& less) {
    Lines result;
    std::ranges::set_difference(more, less, std::back_inserter(result));
    return result;
}

std::string to_text(const Lines& lines) {
    std::string text;
    for (std::size_t i = 0; i < std::min(lines.size(), kMostShown); ++i) {
        text += "    " + lines[i] + "\n";
    }
    if (lines.size() > kMostShown)
        text += fmt::format("    ({} more)\n", lines.size() - kMostShown);
    return text;
}

}  // namespace jailsvc::faults
