#include "config/health_target.hpp"

#include <algorithm>

namespace jailsvc::config {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::size_t kMaxPath = 1024;  ///< of a request [bytes]

/// "localhost" as an address, which is what is connected to: nothing is looked up.
std::string numeric(std::string_view host_and_port) {
    constexpr std::string_view kLocal = "localhost";
    if (!host_and_port.starts_with(kLocal)) return std::string(host_and_port);
    const std::string_view rest = host_and_port.substr(kLocal.size());
    if (!rest.empty() && rest.front() != ':') return std::string(host_and_port);
    return "127.0.0.1" + std::string(rest);
}

/// Whether a port stands behind the host.
bool has_port(std::string_view host) {
    const auto bracket = host.rfind(']');
    return host.find(':', bracket == std::string_view::npos ? 0 : bracket) !=
           std::string_view::npos;
}

Result<SocketAddress> parse_internet_target(std::string_view text) {
    TRY(SocketAddress address, parse_socket_address("tcp:" + numeric(text)));
    // A name of an interface would have to be looked up where the check runs.
    if (!address.scope.empty()) return fail("no interface may be named after %");
    return address;
}

}  // namespace

Result<HealthTarget> parse_http_target(std::string_view text) {
    if (!text.starts_with(kScheme)) {
        return fail("has to begin with http://; for https use exec, with curl for example");
    }
    text.remove_prefix(kScheme.size());
    const auto slash = text.find('/');
    const std::string_view host = text.substr(0, slash);
    HealthTarget target{
        .address = {.scope = {}, .path = {}},
        .host = std::string(host),
        .path = slash == std::string_view::npos ? "/" : std::string(text.substr(slash))};
    const auto plain = [](char c) { return c > ' ' && c < 0x7f && c != '#'; };
    if (host.empty() || !std::ranges::all_of(target.path, plain)) {
        return fail("is no URL; write it as \"http://127.0.0.1:8080/healthz\", other bytes as %XX");
    }
    if (target.path.size() > kMaxPath) return fail("asks for a path of more than 1024 bytes");
    const std::string whole = has_port(host) ? target.host : target.host + ":80";
    TRY(target.address, parse_internet_target(whole));
    return target;
}

Result<HealthTarget> parse_tcp_target(std::string_view text) {
    HealthTarget target{.address = {.scope = {}, .path = {}}, .host = {}, .path = {}};
    const bool port_alone = text.find(':') == std::string_view::npos;
    TRY(target.address,
        parse_internet_target(port_alone ? "127.0.0.1:" + std::string(text) : std::string(text)));
    return target;
}

Result<HealthTarget> parse_unix_target(std::string_view text) {
    HealthTarget target{.address = {.scope = {}, .path = {}}, .host = {}, .path = {}};
    TRY(target.address, parse_socket_address("unix:" + std::string(text)));
    return target;
}

}  // namespace jailsvc::config
