#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// Addresses as [socket] listen has them.
namespace jailsvc::config {

enum class SocketKind : std::uint8_t {
    kTcp,
    kUdp,
    kUnixStream,
    kUnixDatagram,
    kUnixPackets,  ///< SOCK_SEQPACKET
    kFifo,
    kVsock,
};

struct SocketAddress {
    SocketKind kind = SocketKind::kTcp;
    bool ipv6 = false;                  ///< of kTcp, kUdp
    bool any = false;                   ///< likewise: no address was written, so all there are
    std::array<std::uint8_t, 16> ip{};  ///< in network order; the first 4 of an IPv4 address
    std::string scope;                  ///< "eth0" of "[fe80::1%eth0]"
    std::uint32_t port = 0;             ///< of kTcp, kUdp, kVsock
    std::uint32_t cid = 0;              ///< of kVsock
    std::string path;                   ///< absolute, or "@NAME" for an abstract socket

    /// connect(2) makes a connection of it, which accept(2) takes.
    [[nodiscard]] bool has_connections() const {
        return kind != SocketKind::kUdp && kind != SocketKind::kUnixDatagram &&
               kind != SocketKind::kFifo;
    }
    /// It is a file of the machine's tree.
    [[nodiscard]] bool has_file() const { return path.starts_with('/'); }
    bool operator==(const SocketAddress&) const = default;
};

/// "tcp:127.0.0.1:80", "tcp:[::]:80", "tcp:80", "udp:…", "unix:/run/x.sock", "unix:@abstract",
/// "unix-dgram:…", "unix-seqpacket:…", "fifo:/run/x", "vsock:PORT", "vsock:CID:PORT". Names of
/// hosts are refused: nothing that waits for a network decides what is listened on. The error does
/// not repeat the text.
[[nodiscard]] Result<SocketAddress> parse_socket_address(std::string_view text);

/// The one way to write it: equal addresses give equal texts.
[[nodiscard]] std::string to_string(const SocketAddress& address);

/// What a file or an abstract socket's name may be long: sun_path of unix(7), with its NUL.
inline constexpr std::size_t kMaxSocketPath = 107;

}  // namespace jailsvc::config
