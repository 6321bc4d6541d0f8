#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

/// How the supervisor hands over what listens on the loopback of the unit's network: over the
/// unit's own socket, as the first message of a connection, with the descriptors.
namespace jailsvc::egress {

/// No request begins so, in any of the protocols.
inline constexpr std::string_view kHandover("\0listeners\n", 11);
inline constexpr std::size_t kMaxListeners = 4;
/// What they are called in the supervisor's store.
inline constexpr std::string_view kLoopbackName = "loopback";

/// One read of a connection over a Unix socket: what was sent with the bytes is in `fds`. The count
/// as of recvmsg(2).
[[nodiscard]] long receive(int socket, std::string& bytes, std::vector<Fd>& fds);

/// Whether the other end is root's. A unit whose program is root on the host could hand over
/// listening sockets of its own network: it gains nothing that it has not.
[[nodiscard]] bool is_from_root(int socket);

/// Whether the descriptor is a TCP socket that listens.
[[nodiscard]] bool listens(int fd);

}  // namespace jailsvc::egress
