#include "observer.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstring>
#include <optional>
#include <vector>

#include "calls.hpp"
#include "libraries.hpp"
#include "path_calls.hpp"

namespace pledge::learn {
namespace {

constexpr std::size_t kMostNames = 1024;

std::string of_process(pid_t pid, const std::string& what) {
    return "/proc/" + std::to_string(pid) + "/" + what;
}

/// As many bytes as can be read, page by page: what lies behind the last one may not be mapped.
std::string read_memory(pid_t pid, std::uint64_t address, std::size_t most) {
    constexpr std::uint64_t kPage = 4096;
    std::string bytes(most, '\0');
    std::size_t done = 0;
    while (done < most) {
        const std::uint64_t at = address + done;
        const std::size_t part = std::min<std::size_t>(most - done, kPage - at % kPage);
        const iovec local{bytes.data() + done, part};
        const iovec remote{reinterpret_cast<void*>(static_cast<std::uintptr_t>(at)), part};
        const ssize_t count = ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
        if (count <= 0) break;
        done += static_cast<std::size_t>(count);
        if (::memchr(bytes.data(), '\0', done) != nullptr) break;
    }
    bytes.resize(done);
    return bytes;
}

/// nullopt: no path, or one that does not end.
std::optional<std::string> read_path(pid_t pid, std::uint64_t address) {
    const std::string bytes = read_memory(pid, address, PATH_MAX);
    const auto end = bytes.find('\0');
    if (end == std::string::npos || end == 0) return std::nullopt;
    return bytes.substr(0, end);
}

/// What a link of /proc leads to; nullopt for what is no path (a socket, a deleted file).
std::optional<std::string> follow(pid_t pid, const std::string& link) {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(of_process(pid, link).c_str(), target, sizeof target);
    if (length <= 0 || length == sizeof target || target[0] != '/') return std::nullopt;
    std::string path(target, static_cast<std::size_t>(length));
    if (path.ends_with(" (deleted)")) return std::nullopt;
    return path;
}

std::optional<std::string> absolute(pid_t pid, const std::string& path, int directory) {
    if (path.starts_with('/')) return normal(path);
    const auto base =
        follow(pid, directory == AT_FDCWD ? "cwd" : "fd/" + std::to_string(directory));
    if (!base) return std::nullopt;
    return normal(*base + "/" + path);
}

/// Looked up below the process's own root, without leaving it; -1: it is not there.
int open_in(pid_t pid, const std::string& path, std::uint64_t more) {
    const int root = ::open(of_process(pid, "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return -1;
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC | more;
    how.resolve = RESOLVE_IN_ROOT;
    const long fd = ::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    ::close(root);
    return static_cast<int>(fd);
}

/// A link counts as what it is.
bool exists(pid_t pid, const std::string& path) {
    const int fd = open_in(pid, path, O_NOFOLLOW);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

/// The path without links on it.
std::optional<std::string> resolved(pid_t pid, const std::string& path) {
    const int fd = open_in(pid, path, 0);
    if (fd < 0) return std::nullopt;
    const auto real = follow(::getpid(), "fd/" + std::to_string(fd));
    ::close(fd);
    return real;
}

bool is_directory(pid_t pid, const std::string& path) {
    const int fd = open_in(pid, path, O_DIRECTORY);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

std::string parent_of(const std::string& path) {
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

struct SocketName {
    std::string path;
    unsigned uses;
};

/// A Unix socket with a path that is bound or connected to.
std::optional<SocketName> read_socket(pid_t pid, const seccomp_data& data) {
    if (data.nr != SYS_connect && data.nr != SYS_bind) return std::nullopt;
    constexpr std::size_t kFamily = offsetof(sockaddr_un, sun_path);
    if (data.args[2] <= kFamily + 1) return std::nullopt;
    sa_family_t family = AF_UNSPEC;
    const std::string head = read_memory(pid, data.args[1], sizeof family);
    if (head.size() != sizeof family) return std::nullopt;
    std::memcpy(&family, head.data(), sizeof family);
    if (family != AF_UNIX) return std::nullopt;
    const auto name = read_path(pid, data.args[1] + kFamily);
    const auto path = name ? absolute(pid, *name, AT_FDCWD) : std::nullopt;
    if (!path) return std::nullopt;
    if (data.nr == SYS_bind) return SocketName{parent_of(*path), kCreate};
    if (!exists(pid, *path)) return std::nullopt;
    return SocketName{*path, kWrite};
}

}  // namespace

std::string normal(const std::string& path) {
    std::string done;
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t begin = path.find_first_not_of('/', at);
        if (begin == std::string::npos) break;
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string name = path.substr(begin, end - begin);
        at = end;
        if (name == "..") {
            done.erase(std::min(done.rfind('/'), done.size()));
        } else if (name != ".") {
            done += "/" + name;
        }
    }
    return done.empty() ? "/" : done;
}

void Observer::see_arguments(pid_t pid, const seccomp_data& data, std::vector<Seen>& seen) {
    for (const PathArgument& argument : paths_of(data)) {
        const auto text = read_path(pid, data.args[argument.path]);
        if (!text) continue;
        const int directory =
            argument.directory < 0 ? AT_FDCWD : static_cast<int>(data.args[argument.directory]);
        const auto path = absolute(pid, *text, directory);
        if (!path) continue;
        const bool there = exists(pid, *path);
        // Opening with O_CREAT what is there already makes nothing; the other calls change names.
        const bool opening = argument.parent && (argument.uses & (kRead | kWrite)) != 0;
        if (argument.parent ? opening && there : !there) continue;
        // To ask about a directory is a step on the way; listing it would show what is in it.
        if (argument.uses == 0 && is_directory(pid, *path)) continue;
        if (path->find(".so") != std::string::npos && opened_as_.size() < kMostNames) {
            const auto real = resolved(pid, *path);
            if (real && *real != *path) opened_as_[*real] = *path;
        }
        seen.push_back({argument.parent ? parent_of(*path) : *path,
                        argument.uses == 0 ? static_cast<unsigned>(kRead) : argument.uses});
    }
}

/// A library's code: the file is open, and mapped to be executed.
void Observer::see_mapping(pid_t pid, const seccomp_data& data, std::vector<Seen>& seen) const {
    const bool code = data.nr == SYS_mmap && (data.args[2] & PROT_EXEC) != 0 &&
                      (data.args[3] & MAP_ANONYMOUS) == 0;
    if (!code) return;
    const auto path = follow(pid, "fd/" + std::to_string(static_cast<int>(data.args[4])));
    if (!path || !exists(pid, *path)) return;
    const auto known = opened_as_.find(*path);
    seen.push_back({known == opened_as_.end() ? *path : known->second, kRead | kExecute});
}

void Observer::observe(const seccomp_notif& notice, const std::function<bool()>& still_waits,
                       Record& record) {
    const auto pid = static_cast<pid_t>(notice.pid);
    std::vector<Seen> seen;
    see_arguments(pid, notice.data, seen);
    see_mapping(pid, notice.data, seen);
    if (const auto socket = read_socket(pid, notice.data)) {
        seen.push_back({socket->path, socket->uses});
    }
    if (!still_waits()) return;
    record.add_call(to_call(notice.data));
    for (const Seen& one : seen) record.add_path(one.path, one.uses);
}

void Observer::observe_program(pid_t pid, const std::string& path, Record& record) {
    ++record.runs;
    for (const auto& file : unveil::closure_of(of_process(pid, "root"), {path})) {
        record.add_library(file);
        if (const auto real = resolved(pid, file)) record.add_library(*real);
    }
}

}  // namespace pledge::learn
