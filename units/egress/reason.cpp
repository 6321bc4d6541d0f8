#include "egress/reason.hpp"

namespace jailsvc::egress {
namespace {

// Reply fields of RFC 1928, section 6.
constexpr std::uint8_t kSucceeded = 0;
constexpr std::uint8_t kFailure = 1;
constexpr std::uint8_t kNotAllowed = 2;
constexpr std::uint8_t kHostUnreachable = 4;
constexpr std::uint8_t kRefused = 5;
constexpr std::uint8_t kExpired = 6;
constexpr std::uint8_t kNoSuchCommand = 7;

}  // namespace

std::string_view name_of(Reason reason) {
    switch (reason) {
        case Reason::kAllowed:
            return "allowed";
        case Reason::kNoPolicy:
            return "no-policy";
        case Reason::kBadRequest:
            return "bad-request";
        case Reason::kBadHost:
            return "bad-host";
        case Reason::kHostMismatch:
            return "host-mismatch";
        case Reason::kUnsupported:
            return "unsupported";
        case Reason::kHeadTooLarge:
            return "head-too-large";
        case Reason::kHeadTimeout:
            return "head-timeout";
        case Reason::kIpLiteral:
            return "ip-literal";
        case Reason::kHostNotAllowed:
            return "host-not-allowed";
        case Reason::kNoSuchHost:
            return "no-such-host";
        case Reason::kResolverFailed:
            return "resolver-failed";
        case Reason::kAddressRefused:
            return "address-refused";
        case Reason::kConnectFailed:
            return "connect-failed";
        case Reason::kConnectTimeout:
            return "connect-timeout";
        case Reason::kIdle:
            return "idle";
        case Reason::kLifetime:
            return "lifetime";
        case Reason::kClosed:
            return "closed";
        case Reason::kBroken:
            return "broken";
    }
    return "unknown";
}

Telling telling_of(Reason reason) {
    switch (reason) {
        case Reason::kAllowed:
        case Reason::kIdle:
        case Reason::kLifetime:
        case Reason::kClosed:
        case Reason::kBroken:
            return {200, kSucceeded, ""};
        case Reason::kNoPolicy:
            return {403, kNotAllowed, "start the unit again; the proxy's log says what is wrong"};
        case Reason::kBadRequest:
            return {400, kFailure, "speak HTTP/1.1 with absolute URLs, CONNECT or SOCKS5"};
        case Reason::kBadHost:
            return {400, kNotAllowed, "name a host by letters, digits, \"-\" and \".\""};
        case Reason::kHostMismatch:
            return {400, kFailure, "send the Host that the URL names"};
        case Reason::kUnsupported:
            return {501, kNoSuchCommand,
                    "use http:// URLs, CONNECT, or the SOCKS5 command CONNECT"};
        case Reason::kHeadTooLarge:
            return {431, kFailure, "send smaller headers"};
        case Reason::kHeadTimeout:
            return {408, kExpired, ""};
        case Reason::kIpLiteral:
            return {403, kNotAllowed, "use the host's name (socks5h:// with curl)"};
        case Reason::kHostNotAllowed:
            return {403, kNotAllowed, "add it to egress.allow in [jail.network] of the unit"};
        case Reason::kNoSuchHost:
            return {502, kHostUnreachable, ""};
        case Reason::kResolverFailed:
            return {502, kFailure, "the name server does not answer"};
        case Reason::kAddressRefused:
            return {403, kNotAllowed, "its addresses are private or reserved; docs/EGRESS.md"};
        case Reason::kConnectFailed:
            return {502, kRefused, ""};
        case Reason::kConnectTimeout:
            return {504, kExpired, ""};
    }
    return {500, kFailure, ""};
}

}  // namespace jailsvc::egress
