#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "egress/reason.hpp"

/// SOCKS5 (RFC 1928) as far as a client may use it here: no authentication, CONNECT, names. Pure.
namespace jailsvc::egress {

class SocksHandshake {
public:
    static constexpr char kVersion = 5;  ///< first byte of every client

    enum class State : std::uint8_t { kMore, kAsked, kRefused };

    /// Takes what it needs off the front of `input`; what is to be sent is in `reply`.
    [[nodiscard]] State take(std::string& input);

    [[nodiscard]] const std::string& host() const { return host_; }  ///< as the client wrote it
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] Reason reason() const { return reason_; }
    /// Bytes for the client, cleared by the caller when they are on the way.
    std::string reply;

private:
    [[nodiscard]] State greet(std::string& input);
    [[nodiscard]] State request(std::string& input);
    [[nodiscard]] State refuse(Reason reason, std::uint8_t field);

    bool greeted_ = false;
    std::string host_;
    std::uint16_t port_ = 0;
    Reason reason_ = Reason::kAllowed;
};

/// The answer to a request: succeeded, or why not. The address in it tells nothing.
[[nodiscard]] std::string socks_answer(std::uint8_t field);

}  // namespace jailsvc::egress
