#include "jailer/loop/processes.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxStat = 4096;
constexpr std::size_t kMaxEnvironment = 8U << 20;
constexpr std::uint64_t kExiting = 0x4;  ///< PF_EXITING (linux/sched.h), in proc(5) stat's field 9

struct Stat {
    pid_t parent = 0;
    pid_t session = 0;
    std::uint64_t start = 0;
    std::uint64_t flags = 0;
    bool dead = false;
};

/// proc(5), /proc/pid/stat. The name may hold spaces and parentheses: fields count from the last
/// ')'.
std::optional<Stat> read_stat(pid_t pid) {
    const auto text = sys::read_file(fmt::format("/proc/{}/stat", pid), kMaxStat);
    if (!text) return std::nullopt;
    const auto name_end = text->rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(text->substr(name_end + 1));
    Stat stat;
    char state = 0;
    pid_t group = 0;
    fields >> state >> stat.parent >> group >> stat.session;
    std::string skipped;
    for (int field = 7; field <= 8; ++field) fields >> skipped;
    fields >> stat.flags;
    for (int field = 10; field <= 21; ++field) fields >> skipped;
    fields >> stat.start;
    if (!fields) return std::nullopt;
    stat.dead = state == 'Z' || state == 'X';
    return stat;
}

/// Names of a /proc directory that are numbers.
std::vector<pid_t> numbers_in(const std::string& directory) {
    std::vector<pid_t> numbers;
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), ::closedir);
    if (!dir) return numbers;
    while (const dirent* entry = ::readdir(dir.get())) {
        const std::string_view name = entry->d_name;
        pid_t number = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
        if (parsed.ec == std::errc() && parsed.ptr == name.data() + name.size()) {
            numbers.push_back(number);
        }
    }
    return numbers;
}

/// Whether the process began its program with this variable (proc(5), /proc/pid/environ).
bool has_variable(pid_t pid, const std::string& variable) {
    if (variable.empty()) return false;
    const auto text = sys::read_file(fmt::format("/proc/{}/environ", pid), kMaxEnvironment);
    if (!text) return false;
    const std::string wanted = '\0' + variable + '\0';
    return ('\0' + *text + '\0').find(wanted) != std::string::npos;
}

struct Identity {
    dev_t device;
    ino_t inode;
    bool operator==(const Identity&) const = default;
};

std::optional<Identity> identity_of(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) == -1) return std::nullopt;
    return Identity{info.st_dev, info.st_ino};
}

/// Whether the process that held `session.id` when we recorded it may still be what the number
/// means. The kernel keeps a number taken while it names a session, so a process of that number
/// with another start time means that our session is empty (struct pid, kernel/pid.c).
bool still_ours(const Session& session) {
    const std::uint64_t start = start_time_of(session.id);
    return start == 0 || start == session.leader_start;
}

}  // namespace

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> children;
    for (const pid_t thread : numbers_in(fmt::format("/proc/{}/task", pid))) {
        const auto text = sys::read_file(fmt::format("/proc/{}/task/{}/children", pid, thread));
        if (!text) continue;
        std::istringstream list(*text);
        for (pid_t child = 0; list >> child;) children.push_back(child);
    }
    return children;
}

std::vector<Found> find_descendants(std::span<const pid_t> roots, pid_t reaper) {
    std::vector<Found> found;
    std::set<pid_t> seen;
    const auto take = [&](pid_t pid, pid_t parent) {
        if (found.size() >= kMaxFound || !seen.insert(pid).second) return;
        auto pidfd = sys::pidfd_open(pid);
        if (!pidfd) return;
        const auto stat = read_stat(pid);
        const bool ours = stat && !stat->dead &&
                          (parent == 0 || stat->parent == parent || stat->parent == reaper);
        if (ours) found.push_back(Found{pid, std::move(*pidfd)});
    };
    for (const pid_t root : roots) take(root, 0);
    if (reaper > 0) {
        seen.insert(reaper);
        for (const pid_t child : children_of(reaper)) take(child, reaper);
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
        const pid_t parent = found[i].pid;
        for (const pid_t child : children_of(parent)) take(child, parent);
    }
    return found;
}

std::vector<Found> find_session_members(std::span<const Session> sessions) {
    return find_unconfined(sessions, {});
}

std::vector<Found> find_unconfined(std::span<const Session> sessions, const std::string& mark) {
    std::set<pid_t> wanted;
    for (const Session& session : sessions) {
        if (still_ours(session)) wanted.insert(session.id);
    }
    std::vector<Found> found;
    if (wanted.empty() && mark.empty()) return found;
    for (const pid_t pid : numbers_in("/proc")) {
        const auto first = read_stat(pid);
        if (!first || first->dead) continue;
        if (!wanted.contains(first->session) && !has_variable(pid, mark)) continue;
        auto pidfd = sys::pidfd_open(pid);
        const auto again = read_stat(pid);  // after the open: the pidfd is of this very process
        if (!pidfd || !again || again->start != first->start) continue;
        if (found.size() < kMaxFound) found.push_back(Found{pid, std::move(*pidfd)});
    }
    return found;
}

std::uint64_t start_time_of(pid_t pid) {
    const auto stat = read_stat(pid);
    return stat ? stat->start : 0;
}

bool is_exiting(pid_t pid) {
    const auto stat = read_stat(pid);
    return !stat || stat->dead || (stat->flags & kExiting) != 0;
}

bool in_other_pid_namespace(pid_t pid) {
    const auto ours = identity_of("/proc/self/ns/pid");
    const auto its = identity_of(fmt::format("/proc/{}/ns/pid", pid));
    return ours && its && *ours != *its;
}

bool runs_program(pid_t pid, int program) {
    struct stat info{};
    const auto its = identity_of(fmt::format("/proc/{}/exe", pid));
    return its && ::fstat(program, &info) == 0 && *its == Identity{info.st_dev, info.st_ino};
}

bool runs_our_program(pid_t pid) {
    const auto its = identity_of(fmt::format("/proc/{}/exe", pid));
    return its && its == identity_of("/proc/self/exe");
}

std::uint64_t pss_kib_of(pid_t pid) {
    const auto text = sys::read_file(fmt::format("/proc/{}/smaps_rollup", pid), kMaxStat);
    if (!text) return 0;
    const auto line = text->find("\nPss:");
    if (line == std::string::npos) return 0;
    std::uint64_t kib = 0;
    std::istringstream(text->substr(line + 5, 32)) >> kib;
    return kib;
}

}  // namespace jailsvc::jailer
