#include "jailer/sockets/peer.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace jailsvc::jailer {
namespace {

Peer internet_peer(int family, const void* address, std::uint16_t port) {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(family, address, text, sizeof text);
    return {.source = text, .address = text, .port = std::to_string(ntohs(port))};
}

Peer ipv6_peer(const sockaddr_in6& in) {
    if (!IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
        return internet_peer(AF_INET6, &in.sin6_addr, in.sin6_port);
    }
    constexpr std::size_t kMapped = 12;  // bytes before the IPv4 address (RFC 4291)
    return internet_peer(AF_INET, &in.sin6_addr.s6_addr[kMapped], in.sin6_port);
}

/// What it is bound to, if to anything, is its own word.
Peer unix_peer(int connection) {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    Peer peer{.source = "unknown", .address = {}, .port = {}};
    if (::getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
        peer.source = fmt::format("uid{}", credentials.uid);
    }
    return peer;
}

}  // namespace

Peer peer_of(int connection) {
    union {
        sockaddr_storage storage;
        sockaddr_in in;
        sockaddr_in6 in6;
        sockaddr_vm vm;
    } address{};
    socklen_t size = sizeof address;
    const Peer unknown{.source = "unknown", .address = {}, .port = {}};
    if (::getpeername(connection, reinterpret_cast<sockaddr*>(&address.storage), &size) == -1) {
        return unknown;
    }
    switch (address.storage.ss_family) {
        case AF_INET:
            return internet_peer(AF_INET, &address.in.sin_addr, address.in.sin_port);
        case AF_INET6:
            return ipv6_peer(address.in6);
        case AF_UNIX:
            return unix_peer(connection);
        case AF_VSOCK:
            return {.source = fmt::format("cid{}", address.vm.svm_cid),
                    .address = fmt::format("vsock:{}", address.vm.svm_cid),
                    .port = std::to_string(address.vm.svm_port)};
        default:
            return unknown;
    }
}

}  // namespace jailsvc::jailer
