#include "egress/host_name.hpp"

#include <idn2.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>

namespace jailsvc::egress {
namespace {

constexpr std::size_t kMaxHost = 253;  ///< RFC 1035, without the dot at the end
constexpr std::size_t kMaxLabel = 63;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// "1", "0x7f", "0x", "017": what the URL standard's "ends in a number" checker and inet_aton(3)
/// take for the last part of an IPv4 address.
bool is_number(std::string_view label) {
    if (std::ranges::all_of(label, is_digit)) return true;
    if (!label.starts_with("0x")) return false;
    return std::ranges::all_of(label.substr(2),
                               [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_label(std::string_view label) {
    if (label.empty() || label.size() > kMaxLabel) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    return std::ranges::all_of(label, [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
    });
}

}  // namespace

HostResult plain_host(std::string_view text) {
    // "[::1]", "::1", "fe80::1%eth0": no name has these.
    if (text.find_first_of("[]:%") != std::string_view::npos) {
        return std::unexpected(Reason::kIpLiteral);
    }
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > kMaxHost) return std::unexpected(Reason::kBadHost);
    std::string host(text);
    std::ranges::transform(host, host.begin(), lower);
    std::string_view last;
    for (std::string_view rest = host;;) {
        const auto dot = rest.find('.');
        last = rest.substr(0, dot);
        if (!is_label(last)) return std::unexpected(Reason::kBadHost);
        if (dot == std::string_view::npos) break;
        rest.remove_prefix(dot + 1);
    }
    if (is_number(last)) return std::unexpected(Reason::kIpLiteral);
    return host;
}

HostResult host_from_people(std::string_view text) {
    const bool ascii =
        std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) return plain_host(text);
    if (text.size() > kMaxHost * 4) return std::unexpected(Reason::kBadHost);
    const std::string copy(text);
    char* raw = nullptr;
    const int code = ::idn2_to_ascii_8z(copy.c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const std::unique_ptr<char, decltype(&::idn2_free)> owned(raw, ::idn2_free);
    if (code != IDN2_OK) return std::unexpected(Reason::kBadHost);
    return plain_host(owned.get());
}

std::uint16_t parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
    return code == std::errc() && end == text.data() + text.size() ? port : std::uint16_t{0};
}

}  // namespace jailsvc::egress
