#include "jailer/sockets/holder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

using config::SocketAddress;
using config::SocketKind;

constexpr std::size_t kMaxTable = 16U << 20;

std::vector<std::string> tables_of(SocketKind kind) {
    switch (kind) {
        case SocketKind::kTcp:
            return {"/proc/net/tcp", "/proc/net/tcp6"};
        case SocketKind::kUdp:
            return {"/proc/net/udp", "/proc/net/udp6"};
        case SocketKind::kUnixStream:
        case SocketKind::kUnixDatagram:
        case SocketKind::kUnixPackets:
            return {"/proc/net/unix"};
        case SocketKind::kFifo:
        case SocketKind::kVsock:
            return {};
    }
    return {};
}

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(std::move(word));
    return words;
}

/// Of a line of proc(5) net/tcp or net/udp: the inode, if it is bound to that port, and of TCP
/// listens there.
std::string inode_at_port(const std::vector<std::string>& words, const SocketAddress& address) {
    constexpr std::size_t kLocal = 1, kState = 3, kInode = 9;
    if (words.size() <= kInode) return {};
    const std::string& local = words[kLocal];
    if (!local.ends_with(fmt::format(":{:04X}", address.port))) return {};
    const bool listens = address.kind == SocketKind::kUdp || words[kState] == "0A";
    return listens ? words[kInode] : std::string();
}

/// Of a line of net/unix.
std::string inode_at_path(const std::vector<std::string>& words, const SocketAddress& address) {
    constexpr std::size_t kInode = 6, kPath = 7;
    return words.size() > kPath && words[kPath] == address.path ? words[kInode] : std::string();
}

/// "socket:[INODE]" of each socket with that address.
std::set<std::string> sockets_at(const SocketAddress& address) {
    std::set<std::string> found;
    for (const std::string& table : tables_of(address.kind)) {
        const auto text = sys::read_file(table, kMaxTable);
        if (!text) continue;
        std::istringstream lines(*text);
        for (std::string line; std::getline(lines, line);) {
            const auto words = words_of(line);
            const std::string inode = address.path.empty() ? inode_at_port(words, address)
                                                           : inode_at_path(words, address);
            if (!inode.empty()) found.insert("socket:[" + inode + "]");
        }
    }
    return found;
}

bool holds_one(const std::filesystem::path& process, const std::set<std::string>& sockets) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(process / "fd", error), end; !error && at != end;
         at.increment(error)) {
        std::error_code gone;
        if (sockets.contains(std::filesystem::read_symlink(at->path(), gone).string())) return true;
    }
    return false;
}

}  // namespace

std::string holder_of(const SocketAddress& address) {
    const auto sockets = sockets_at(address);
    if (sockets.empty()) return {};
    std::error_code error;
    for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end;
         at.increment(error)) {
        const std::string pid = at->path().filename().string();
        if (!std::ranges::all_of(pid, [](unsigned char c) { return std::isdigit(c) != 0; })) {
            continue;
        }
        if (!holds_one(at->path(), sockets)) continue;
        auto name = sys::read_file(at->path().string() + "/comm");
        if (name && name->ends_with('\n')) name->pop_back();
        return fmt::format("{} (pid {})", name.value_or("a process"), pid);
    }
    return {};
}

}  // namespace jailsvc::jailer
