#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egress/reason.hpp"

/// Heads of HTTP/1 requests, as a proxy gets them (RFC 9112). Parsed by http-parser; what that lets
/// pass, two readers could still understand differently, so more is refused here. Pure.
namespace jailsvc::egress {

inline constexpr std::size_t kMaxHead = 32768;  ///< [bytes]
inline constexpr std::size_t kMaxHeaders = 128;

struct Header {
    std::string name, value;
};

struct RequestHead {
    bool connect = false;  ///< method CONNECT: a tunnel
    std::string method;
    std::string host;  ///< as the client wrote it
    std::uint16_t port = 0;
    std::string target;  ///< path and query; of a tunnel empty
    std::vector<Header> headers;
    bool old = false;  ///< HTTP/1.0, whose clients know no chunks: the server is to know
    bool chunked = false;
    std::optional<std::uint64_t> length;  ///< of the body, where the head tells it
};

/// Where the first head in `input` ends, 0 if it is not whole.
[[nodiscard]] std::size_t head_end(std::string_view input);

/// `text`: the whole head, with the empty line.
[[nodiscard]] std::expected<RequestHead, Reason> parse_head(std::string_view text);

/// The head for the server: origin form, Host as the URL says, nothing that is between two hops,
/// "Connection: close".
[[nodiscard]] std::string forwarded_head(const RequestHead& head, std::string_view host);

/// A refusal for the client. `host`: one that plain_host gave, or empty.
[[nodiscard]] std::string http_refusal(Reason reason, std::string_view host, std::uint16_t port);

}  // namespace jailsvc::egress
