#include "config/socket_address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/vm_sockets.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "config/names.hpp"

namespace jailsvc::config {
namespace {

constexpr std::pair<std::string_view, SocketKind> kKinds[] = {
    {"tcp", SocketKind::kTcp},
    {"udp", SocketKind::kUdp},
    {"unix", SocketKind::kUnixStream},
    {"unix-dgram", SocketKind::kUnixDatagram},
    {"unix-seqpacket", SocketKind::kUnixPackets},
    {"fifo", SocketKind::kFifo},
    {"vsock", SocketKind::kVsock},
};

std::string_view name_of(SocketKind kind) {
    return std::ranges::find(kKinds, kind, [](const auto& row) { return row.second; })->first;
}

/// Decimal digits alone, no more than `most`.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t most) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
    return whole && number <= most ? std::optional(number) : std::nullopt;
}

Result<std::uint32_t> parse_port(std::string_view text) {
    constexpr std::uint32_t kMost = 65535;
    const auto port = parse_number(text, kMost);
    if (port && *port != 0) return *port;
    return fail("the port has to be a number, 1 to 65535");
}

bool is_interface(std::string_view name) {
    return !name.empty() && name.size() < IF_NAMESIZE &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c != '/' && c < 0x7f; });
}

Result<void> parse_ipv6(std::string_view text, SocketAddress& address) {
    const auto percent = text.find('%');
    if (percent != std::string_view::npos) {
        address.scope = text.substr(percent + 1);
        if (!is_interface(address.scope)) return fail("no name of an interface after %");
        text = text.substr(0, percent);
    }
    address.ipv6 = true;
    if (::inet_pton(AF_INET6, std::string(text).c_str(), address.ip.data()) == 1) return {};
    return fail("no IPv6 address in [ ]; write it as \"tcp:[::1]:80\"");
}

/// "80", "127.0.0.1:80", "[::1]:80".
Result<void> parse_internet(std::string_view text, SocketAddress& address) {
    const auto colon = text.rfind(':');
    const std::string_view port = colon == std::string_view::npos ? text : text.substr(colon + 1);
    TRY(address.port, parse_port(port));
    if (colon == std::string_view::npos) {
        address.any = address.ipv6 = true;
        return {};
    }
    const std::string_view host = text.substr(0, colon);
    if (host.find('\0') != std::string_view::npos) return fail("a NUL byte");
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        return parse_ipv6(host.substr(1, host.size() - 2), address);
    }
    if (::inet_pton(AF_INET, std::string(host).c_str(), address.ip.data()) == 1) return {};
    return fail("no address; names of hosts are not looked up, and IPv6 is written in [ ]");
}

Result<void> parse_path(std::string_view text, SocketAddress& address) {
    if (text.find('\0') != std::string_view::npos) return fail("a NUL byte");
    const bool abstract = text.starts_with('@') && address.kind != SocketKind::kFifo;
    if (!abstract && !is_absolute_path(text)) {
        return fail(address.kind == SocketKind::kFifo
                        ? "needs an absolute path without \"..\""
                        : "needs an absolute path without \"..\", or @NAME for an abstract socket");
    }
    if (abstract ? text.size() < 2 : text.ends_with('/')) return fail("needs a name at its end");
    if (address.kind != SocketKind::kFifo && text.size() > kMaxSocketPath) {
        return fail(
            fmt::format("{} bytes are too long for a socket's address; {} are the most "
                        "(unix(7))",
                        text.size(), kMaxSocketPath));
    }
    address.path = text;
    return {};
}

/// "1024", "3:1024".
Result<void> parse_vsock(std::string_view text, SocketAddress& address) {
    const auto colon = text.find(':');
    address.cid = VMADDR_CID_ANY;
    if (colon != std::string_view::npos) {
        const auto cid = parse_number(text.substr(0, colon), ~0U);
        if (!cid) return fail("the context id before the port has to be a number");
        address.cid = *cid;
        text = text.substr(colon + 1);
    }
    const auto port = parse_number(text, ~0U - 1);
    if (!port || *port == 0) return fail("the port has to be a number above 0");
    address.port = *port;
    return {};
}

}  // namespace

Result<SocketAddress> parse_socket_address(std::string_view text) {
    const auto colon = text.find(':');
    const auto* const kind =
        std::ranges::find(kKinds, text.substr(0, colon), [](const auto& row) { return row.first; });
    if (colon == std::string_view::npos || kind == std::end(kKinds)) {
        return fail(
            "has to begin with tcp:, udp:, unix:, unix-dgram:, unix-seqpacket:, fifo: or "
            "vsock:");
    }
    SocketAddress address{.kind = kind->second, .scope = {}, .path = {}};
    const std::string_view rest = text.substr(colon + 1);
    switch (address.kind) {
        case SocketKind::kTcp:
        case SocketKind::kUdp:
            TRY_VOID(parse_internet(rest, address));
            break;
        case SocketKind::kUnixStream:
        case SocketKind::kUnixDatagram:
        case SocketKind::kUnixPackets:
        case SocketKind::kFifo:
            TRY_VOID(parse_path(rest, address));
            break;
        case SocketKind::kVsock:
            TRY_VOID(parse_vsock(rest, address));
            break;
    }
    return address;
}

std::string to_string(const SocketAddress& address) {
    const std::string_view kind = name_of(address.kind);
    if (!address.path.empty()) return fmt::format("{}:{}", kind, address.path);
    if (address.kind == SocketKind::kVsock) {
        if (address.cid == VMADDR_CID_ANY) return fmt::format("{}:{}", kind, address.port);
        return fmt::format("{}:{}:{}", kind, address.cid, address.port);
    }
    if (address.any) return fmt::format("{}:{}", kind, address.port);
    char host[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(address.ipv6 ? AF_INET6 : AF_INET, address.ip.data(), host, sizeof host);
    if (!address.ipv6) return fmt::format("{}:{}:{}", kind, host, address.port);
    const std::string_view mark = address.scope.empty() ? "" : "%";
    return fmt::format("{}:[{}{}{}]:{}", kind, host, mark, address.scope, address.port);
}

}  // namespace jailsvc::config
