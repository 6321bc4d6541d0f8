#include "jailer/net/addresses.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace jailsvc::jailer {
namespace {

constexpr std::uint32_t kFirstNumber = 2;  ///< 1 is the host
constexpr std::uint32_t kLastNumber = 65533;

NetAddressV4 mask_of(unsigned prefix) {
    return prefix == 0 ? 0 : ~NetAddressV4{0} << (32 - prefix);
}

}  // namespace

std::string to_text(NetAddressV4 address) {
    return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                       address & 255);
}

std::string to_bytes(NetAddressV4 address) {
    const std::uint32_t network = htonl(address);
    return {reinterpret_cast<const char*>(&network), sizeof network};
}

std::optional<NetRange> NetRange::parse(const std::string& text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string::npos) return std::nullopt;
    in_addr address{};
    if (::inet_pton(AF_INET, text.substr(0, slash).c_str(), &address) != 1) return std::nullopt;
    NetRange range{.first = ntohl(address.s_addr)};
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + slash + 1, end, range.prefix);
    if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
    if (range.prefix < 8 || range.prefix > 29) return std::nullopt;
    if ((range.first & ~mask_of(range.prefix)) != 0) return std::nullopt;
    return range;
}

bool NetRange::contains(NetAddressV4 address) const {
    return (address & mask_of(prefix)) == first;
}

bool NetRange::overlaps(NetAddressV4 other, unsigned other_prefix) const {
    const NetAddressV4 common = mask_of(std::min(prefix, other_prefix));
    return (other & common) == (first & common);
}

Result<NetAddressV4> NetRange::of_unit(std::uint32_t number) const {
    const std::uint32_t last = ~mask_of(prefix) - 1;  // the last of all is for broadcasts
    if (number <= last) return first + number;
    return fail(fmt::format("{}/{} has no address left; set jail.network.range to a larger one",
                            to_text(first), prefix),
                EADDRNOTAVAIL);
}

Result<UnitNumbers> UnitNumbers::open(const std::string& file) {
    const auto nobodys = [](uid_t) -> Result<bool> { return false; };
    TRY(Uids numbers, Uids::open(file, {kFirstNumber, kLastNumber}, nobodys));
    return UnitNumbers(std::move(numbers));
}

Result<std::uint32_t> UnitNumbers::of(const std::string& unit) {
    auto number = numbers_.allocate(unit);
    if (number || number.error().code != EUSERS) return number;
    return fail("all 65532 numbers of units with a network are taken", EUSERS);
}

}  // namespace jailsvc::jailer
