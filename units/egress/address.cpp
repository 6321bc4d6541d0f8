#include "egress/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace jailsvc::egress {

std::optional<Address> Address::from(const sockaddr* raw) {
    Address address;
    if (raw->sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, raw, sizeof in);
        std::memcpy(address.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
        return address;
    }
    if (raw->sa_family != AF_INET6) return std::nullopt;
    sockaddr_in6 in{};
    std::memcpy(&in, raw, sizeof in);
    address.ipv6 = true;
    std::memcpy(address.bytes.data(), &in.sin6_addr, sizeof in.sin6_addr);
    return address;
}

std::optional<Address> Address::parse(std::string_view text) {
    const std::string copy(text);
    Address address;
    if (::inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) return address;
    address.ipv6 = true;
    if (::inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) return address;
    return std::nullopt;
}

socklen_t Address::to_socket(std::uint16_t port, sockaddr_storage& out) const {
    out = {};
    if (!ipv6) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        std::memcpy(&in.sin_addr, bytes.data(), sizeof in.sin_addr);
        std::memcpy(&out, &in, sizeof in);
        return sizeof in;
    }
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, bytes.data(), sizeof in.sin6_addr);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
}

std::string Address::text() const {
    char buffer[INET6_ADDRSTRLEN] = "";
    (void)::inet_ntop(ipv6 ? AF_INET6 : AF_INET, bytes.data(), buffer, sizeof buffer);
    return buffer;
}

bool Range::has(const Address& address) const {
    if (address.ipv6 != base.ipv6) return false;
    const std::size_t whole = bits / 8;
    if (!std::equal(base.bytes.begin(), base.bytes.begin() + whole, address.bytes.begin())) {
        return false;
    }
    const unsigned rest = bits % 8;
    if (rest == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    return ((base.bytes[whole] ^ address.bytes[whole]) & mask) == 0;
}

Result<Range> Range::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = Address::parse(text.substr(0, slash));
    if (!address || slash == std::string_view::npos) {
        return fail("is no range; write \"10.1.0.0/16\" or \"fd00::/8\"");
    }
    Range range{*address, 0};
    const std::string_view length = text.substr(slash + 1);
    const auto [end, code] =
        std::from_chars(length.data(), length.data() + length.size(), range.bits);
    const bool number = code == std::errc() && end == length.data() + length.size();
    if (!number || range.bits > (address->ipv6 ? 128U : 32U)) {
        return fail("its length is no number of bits");
    }
    Range first = range;
    for (std::size_t bit = range.bits; bit < 128; ++bit) {
        first.base.bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
    }
    if (first.base != range.base) return fail("begins at " + first.base.text());
    return range;
}

std::string Range::text() const {
    return base.text() + "/" + std::to_string(bits);
}

namespace {

struct Named {
    std::array<std::uint8_t, 16> bytes;
    unsigned bits;
    std::string_view name;
};

// Sources: the IANA special-purpose address registries of IPv4 and IPv6, RFC 6890.
constexpr Named kIpv4[] = {
    {{0}, 8, "this-network"},
    {{10}, 8, "private"},
    {{100, 64}, 10, "shared"},
    {{127}, 8, "loopback"},
    {{169, 254}, 16, "link-local"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "protocol-assignments"},
    {{192, 0, 2}, 24, "documentation"},
    {{192, 88, 99}, 24, "6to4-relay"},
    {{192, 168}, 16, "private"},
    {{198, 18}, 15, "benchmarking"},
    {{198, 51, 100}, 24, "documentation"},
    {{203, 0, 113}, 24, "documentation"},
    {{224}, 4, "multicast"},
    {{240}, 4, "reserved"},
};

constexpr Named kMapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, "ipv4-mapped"};
constexpr Named kNat64 = {{0, 0x64, 0xff, 0x9b}, 96, "nat64"};

constexpr Named kIpv6[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, "loopback"},
    kMapped,
    {{0}, 96, "ipv4-compatible"},
    kNat64,
    {{0, 0x64, 0xff, 0x9b, 0, 1}, 48, "nat64"},
    {{0x01, 0}, 64, "discard"},
    {{0x20, 0x01, 0, 0}, 32, "teredo"},
    {{0x20, 0x01}, 23, "protocol-assignments"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x3f, 0xff}, 20, "documentation"},
    {{0xfc}, 7, "private"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local"},
    {{0xff}, 8, "multicast"},
};
constexpr Named kGlobal = {{0x20}, 3, "global"};

bool within(const Address& address, const Named& named, bool ipv6) {
    return Range{Address{ipv6, named.bytes}, named.bits}.has(address);
}

std::optional<std::string_view> refused_ipv6(const Address& address) {
    for (const Named& named : kIpv6) {
        if (within(address, named, true)) return named.name;
    }
    if (!within(address, kGlobal, true)) return "reserved";
    return std::nullopt;
}

std::optional<std::string_view> refused_ipv4(const Address& address) {
    for (const Named& named : kIpv4) {
        if (within(address, named, false)) return named.name;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string_view> refused_range(const Address& address,
                                              const std::vector<Range>& permitted) {
    if (address.ipv6 && within(address, kMapped, true)) return kMapped.name;
    const bool open =
        std::ranges::any_of(permitted, [&](const Range& range) { return range.has(address); });
    if (open && address.ipv6 && within(address, kNat64, true)) {
        Address inner;
        std::copy(address.bytes.end() - 4, address.bytes.end(), inner.bytes.begin());
        return refused_range(inner, permitted);
    }
    if (open) return std::nullopt;
    return address.ipv6 ? refused_ipv6(address) : refused_ipv4(address);
}

}  // namespace jailsvc::egress
