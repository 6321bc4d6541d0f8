#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// Addresses and ranges of them. Pure.
namespace jailsvc::egress {

struct Address {
    bool ipv6 = false;
    std::array<std::uint8_t, 16> bytes{};  ///< in network order; the first 4 of an IPv4 address

    [[nodiscard]] static std::optional<Address> from(const sockaddr* raw);
    [[nodiscard]] static std::optional<Address> parse(std::string_view text);
    /// For connect(2); the length is that of the family.
    [[nodiscard]] socklen_t to_socket(std::uint16_t port, sockaddr_storage& out) const;
    [[nodiscard]] std::string text() const;
    bool operator==(const Address&) const = default;
};

/// The first `bits` of an address.
struct Range {
    Address base;
    unsigned bits = 0;

    /// "10.0.0.0/8", "fd00::/8"; bits beyond the length must be 0.
    [[nodiscard]] static Result<Range> parse(std::string_view text);
    [[nodiscard]] bool has(const Address& address) const;
    [[nodiscard]] std::string text() const;
};

/// The name of the range why nobody may be connected to that address ("private", "loopback"), or
/// nothing. Of IPv6 only what is globally routed is let through; an address that stands for one of
/// IPv4 (mapped, NAT64, 6to4, Teredo) is refused whatever that is.
/// `permitted`: ranges that the site has opened; one for NAT64 lets pass what leads to an IPv4
/// address that would be let through by itself. IPv4-mapped addresses are never let through.
[[nodiscard]] std::optional<std::string_view> refused_range(const Address& address,
                                                            const std::vector<Range>& permitted);

}  // namespace jailsvc::egress
