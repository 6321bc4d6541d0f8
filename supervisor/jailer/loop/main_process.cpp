#include "jailer/loop/main_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "base/sys.hpp"
#include "jailer/loop/deliver.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxPidFile = 64;     ///< [bytes]
constexpr std::size_t kMaxStatus = 65536;   ///< of /proc/PID/status [bytes]
constexpr std::int32_t kMostPid = 1 << 22;  ///< PID_MAX_LIMIT, linux/threads.h

/// Why none was found, and whether to ask again.
struct Missing {
    std::string text;
    bool later = false;
};
using Sought = std::expected<Found, Missing>;

std::optional<std::int32_t> number_in(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return std::nullopt;
    text = text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
    std::int32_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = code == std::errc() && end == text.data() + text.size();
    return whole && number > 0 && number <= kMostPid ? std::optional(number) : std::nullopt;
}

/// A line of /proc/PID/status (proc(5)): what follows its name.
std::string line_of(pid_t pid, std::string_view name) {
    const auto text = sys::read_file(fmt::format("/proc/{}/status", pid), kMaxStatus);
    const auto at = text ? text->find(fmt::format("\n{}:", name)) : std::string::npos;
    if (at == std::string::npos) return {};
    const auto from = at + name.size() + 2;
    return text->substr(from, text->find('\n', from) - from);
}

/// As the jail counts: NSpid lists a process's numbers, that of its own namespace last.
std::optional<std::int32_t> pid_in_jail(pid_t pid) {
    const std::string line = line_of(pid, "NSpid");
    const auto last = line.find_last_of(" \t");
    return number_in(last == std::string::npos ? line : line.substr(last));
}

bool same_pid_namespace(pid_t one, pid_t other) {
    struct stat a{};
    struct stat b{};
    return ::stat(fmt::format("/proc/{}/ns/pid", one).c_str(), &a) == 0 &&
           ::stat(fmt::format("/proc/{}/ns/pid", other).c_str(), &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
}

/// The process that the jail's own processes call `number`.
Sought by_number(const Jail& jail, std::vector<Found> processes, std::int32_t number, bool later) {
    for (Found& process : processes) {
        if (process.pid == jail.stub_pid || pid_in_jail(process.pid) != number) continue;
        if (jail.has_stub() && !same_pid_namespace(process.pid, jail.stub_pid)) continue;
        return std::move(process);
    }
    return std::unexpected(
        Missing{fmt::format("pid {} is no process of the unit's jail", number), later});
}

/// What a jail's program wrote, read as a file of a hostile tree: no link leads out of it, nothing
/// in it is waited for.
std::optional<std::int32_t> read_pid_file(const Jail& jail, const std::string& path) {
    const auto root =
        sys::open(jail.has_stub() ? fmt::format("/proc/{}/root", jail.stub_pid) : std::string("/"),
                  O_PATH | O_DIRECTORY);
    if (!root) return std::nullopt;
    const auto file = sys::open_beneath(root->get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
                                        RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    struct stat info{};
    if (!file || ::fstat(file->get(), &info) == -1 || !S_ISREG(info.st_mode)) return std::nullopt;
    const auto text = sys::read_fd(file->get(), kMaxPidFile);
    return text ? number_in(*text) : std::nullopt;
}

/// Who was orphaned by the end of exec_start: its new parent is the jail's init, or the keeper.
Sought left_behind(const Jail& jail, std::vector<Found> processes) {
    const pid_t reaper = jail.has_stub() && jail.pid_namespace ? jail.stub_pid : ::getppid();
    const auto is_known = [&](pid_t pid) {
        return std::ranges::any_of(jail.members,
                                   [pid](const auto& item) { return item.second->pid == pid; });
    };
    std::erase_if(processes, [&](const Found& process) {
        return process.pid == jail.stub_pid || is_known(process.pid) || is_exiting(process.pid) ||
               number_in(line_of(process.pid, "PPid")) != reaper;
    });
    if (processes.size() == 1) return std::move(processes.front());
    if (processes.empty()) {
        return std::unexpected(
            Missing{"exec_start left no process behind; with a program that "
                    "stays in the foreground use another type"});
    }
    return std::unexpected(
        Missing{fmt::format("exec_start left {} processes behind; say which one "
                            "counts by pid_file",
                            processes.size())});
}

/// The unit's key; of a jail that an earlier jailer made, from the text it was made of.
std::string pid_file_of(Core& core, const Jail& jail) {
    if (jail.loaded) return jail.loaded->unit.readiness->pid_file;
    const auto unit = config::parse_effective(core.plugins.schema(), jail.unit, *jail.text);
    return unit ? unit->readiness->pid_file : std::string();
}

Sought find_daemon(Core& core, Jails& jails, const Jail& jail) {
    const std::string path = pid_file_of(core, jail);
    if (path.empty()) return left_behind(jail, processes_of(jails, jail));
    const auto number = read_pid_file(jail, path);
    if (!number) return std::unexpected(Missing{path + ": holds no pid", true});
    return by_number(jail, processes_of(jails, jail), *number, true);
}

ipc::FoundMain answer_to(const ipc::FindMain& request) {
    auto answer = ipc::make<ipc::FoundMain>();
    answer.token = request.token;
    answer.main_token = request.main_token;
    ipc::set_text(answer.unit, ipc::get_text(request.unit));
    return answer;
}

}  // namespace

void find_main(Core& core, Jails& jails, const ipc::FindMain& request) {
    const std::string unit(ipc::get_text(request.unit));
    auto answer = answer_to(request);
    const auto refuse = [&](const Missing& why) {
        answer.later = why.later ? 1 : 0;
        ipc::set_text(answer.text, why.text);
        core.engine.send(answer);
    };
    Jail* jail = jails.find(unit);
    if (jail == nullptr || jail->state == Jail::State::kEnding || request.token == 0 ||
        request.token > ipc::kMaxToken) {
        return refuse({"the unit has no jail"});
    }
    if (const auto known = jail->members.find(request.token); known != jail->members.end()) {
        answer.pid = known->second->pid;
        return core.engine.send(answer);
    }
    auto sought = request.pid > 0 ? by_number(*jail, processes_of(jails, *jail), request.pid, false)
                                  : find_daemon(core, jails, *jail);
    if (!sought) return refuse(sought.error());
    answer.pid = sought->pid;
    jails.keep_main(*jail, request.token, sought->pid, std::move(sought->pidfd));
    core.engine.send(answer);
}

}  // namespace jailsvc::jailer
