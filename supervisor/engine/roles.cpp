#include "engine/roles.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>

namespace jailsvc::engine {

Result<Peer> peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == -1) {
        return fail_errno("SO_PEERCRED");
    }
    Peer peer{.uid = credentials.uid, .gid = credentials.gid, .groups = {}};
    // Asked with too little room it fails with ERANGE and says how much is needed.
    size = 0;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) == 0) return peer;
    if (errno != ERANGE) return fail_errno("SO_PEERGROUPS");
    peer.groups.resize(size / sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == -1) {
        return fail_errno("SO_PEERGROUPS");
    }
    return peer;
}

Role Roles::of(const Peer& peer) const {
    if (peer.uid == 0 || peer.uid == own_uid_) return Role::kAdmin;
    if (!operators_) return Role::kRead;
    const bool member =
        peer.gid == *operators_ || std::ranges::find(peer.groups, *operators_) != peer.groups.end();
    return member ? Role::kOperate : Role::kRead;
}

std::string_view name_of(Role role) {
    switch (role) {
        case Role::kRead:
            return "read";
        case Role::kOperate:
            return "operate";
        case Role::kAdmin:
            return "admin";
    }
    return "read";
}

std::optional<gid_t> find_group(std::string_view group_file, std::string_view name) {
    while (!group_file.empty()) {
        const std::string_view line = group_file.substr(0, group_file.find('\n'));
        group_file.remove_prefix(std::min(group_file.size(), line.size() + 1));
        const std::size_t first = line.find(':');
        if (first == std::string_view::npos || line.substr(0, first) != name) continue;
        const std::size_t second = line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const std::string_view number =
            line.substr(second + 1, line.find(':', second + 1) - second - 1);
        gid_t gid = 0;
        const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), gid);
        if (code == std::errc() && end == number.data() + number.size()) return gid;
    }
    return std::nullopt;
}

}  // namespace jailsvc::engine
