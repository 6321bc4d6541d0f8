#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/socket_address.hpp"

/// What a health check connects to, as [health] has it.
namespace jailsvc::config {

struct HealthTarget {
    SocketAddress address;
    std::string host;  ///< of http: for the header "Host"
    std::string path;  ///< likewise: what is asked for, "/" at least
};

/// "http://127.0.0.1:8080/healthz", "http://[::1]/", "http://localhost:3000". Names of hosts are
/// not looked up, but for localhost, which is 127.0.0.1. The errors do not repeat the text.
[[nodiscard]] Result<HealthTarget> parse_http_target(std::string_view text);

/// "127.0.0.1:5432", "[::1]:5432", "localhost:5432", "5432" (at 127.0.0.1).
[[nodiscard]] Result<HealthTarget> parse_tcp_target(std::string_view text);

/// "/run/app.sock", "@abstract".
[[nodiscard]] Result<HealthTarget> parse_unix_target(std::string_view text);

}  // namespace jailsvc::config
