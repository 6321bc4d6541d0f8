#pragma once

#include <cstdint>
#include <string_view>

namespace jailsvc::egress {

/// Why a connection was let through or not: in the audit line, and in what the client is told.
enum class Reason : std::uint8_t {
    kAllowed,
    kNoPolicy,      ///< the unit's allowlist cannot be read
    kBadRequest,    ///< neither HTTP nor SOCKS5 as we speak it
    kBadHost,       ///< no name of a host
    kHostMismatch,  ///< the header Host names another than the URL
    kUnsupported,   ///< a request of a kind that is not proxied
    kHeadTooLarge,
    kHeadTimeout,     ///< the request did not come in time
    kIpLiteral,       ///< an address where a name is asked for, in any way to write one
    kHostNotAllowed,  ///< not in the unit's allowlist
    kNoSuchHost,
    kResolverFailed,
    kAddressRefused,  ///< the name leads to addresses of a refused range alone
    kConnectFailed,
    kConnectTimeout,
    kIdle,      ///< ended: nothing was moved for too long
    kLifetime,  ///< ended: older than a connection may become
    kClosed,    ///< ended by one of the two sides
    kBroken,    ///< ended by an error of one of the two
};

[[nodiscard]] std::string_view name_of(Reason reason);

/// How a reason is told in each protocol.
struct Telling {
    int http;               ///< status code
    std::uint8_t socks;     ///< reply field of RFC 1928
    std::string_view cure;  ///< for people; empty where there is none
};
[[nodiscard]] Telling telling_of(Reason reason);

}  // namespace jailsvc::egress
