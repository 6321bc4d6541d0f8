#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "engine/client.hpp"

namespace jailsvc::engine {

/// Name of the group whose members may start and stop units.
inline constexpr std::string_view kOperatorGroup = "jailsvc";

/// Who is on the other end, as the kernel says (unix(7), SO_PEERCRED and SO_PEERGROUPS).
struct Peer {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
};
[[nodiscard]] Result<Peer> peer_of(int socket);

/// Decides what a peer may do: root and the supervisor's own user everything, the operators' group
/// start and stop, everybody else ask.
class Roles {
public:
    Roles(uid_t own_uid, std::optional<gid_t> operators)
        : own_uid_(own_uid), operators_(operators) {}
    [[nodiscard]] Role of(const Peer& peer) const;

private:
    uid_t own_uid_;
    std::optional<gid_t> operators_;
};

[[nodiscard]] std::string_view name_of(Role role);

/// Number of a group in the text of a group(5) file. Read by ourselves: getgrnam(3) may ask
/// servers and block for ever.
[[nodiscard]] std::optional<gid_t> find_group(std::string_view group_file, std::string_view name);

}  // namespace jailsvc::engine
