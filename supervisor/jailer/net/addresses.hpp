#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "jailer/loop/uids.hpp"

namespace jailsvc::jailer {

/// An IPv4 address in host order.
using NetAddressV4 = std::uint32_t;
[[nodiscard]] std::string to_text(NetAddressV4 address);
[[nodiscard]] std::string to_bytes(NetAddressV4 address);  ///< 4, in network order

/// A range of addresses, "10.213.0.0/16". Its first host address is the host's own in every jail's
/// network; a unit with the number n has the one that is n above the range's.
struct NetRange {
    NetAddressV4 first = 0;
    unsigned prefix = 0;

    /// Prefixes from 8 to 29, and no bits below them.
    [[nodiscard]] static std::optional<NetRange> parse(const std::string& text);
    [[nodiscard]] bool contains(NetAddressV4 address) const;
    [[nodiscard]] bool overlaps(NetAddressV4 other, unsigned other_prefix) const;
    [[nodiscard]] NetAddressV4 gateway() const { return first + 1; }
    /// An error where the range is too small for that number.
    [[nodiscard]] Result<NetAddressV4> of_unit(std::uint32_t number) const;
};

/// Which number a unit has in the network between jails, for ever: an address that other jails know
/// by name stays what it is over restarts and reboots.
class UnitNumbers {
public:
    [[nodiscard]] static Result<UnitNumbers> open(const std::string& file);
    /// On disk when this returns.
    [[nodiscard]] Result<std::uint32_t> of(const std::string& unit);
    [[nodiscard]] bool has(const std::string& unit) const { return numbers_.has(unit); }
    [[nodiscard]] std::vector<std::string> units() const { return numbers_.units(); }

private:
    explicit UnitNumbers(Uids numbers) : numbers_(std::move(numbers)) {}
    Uids numbers_;
};

}  // namespace jailsvc::jailer
