#pragma once

#include <string>

namespace jailsvc::jailer {

/// Who is at the other end of a connection.
struct Peer {
    std::string source;  ///< what limits count by, as part of a unit's name: address, user, context
    std::string address;  ///< for REMOTE_ADDR; empty where it has none
    std::string port;     ///< for REMOTE_PORT; likewise
};

/// As the kernel tells. IPv4 over an IPv6 socket is told as IPv4.
[[nodiscard]] Peer peer_of(int connection);

}  // namespace jailsvc::jailer
