#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

/// The rules between jails, as text for nft(8) and read back from it: one table of our own, whose
/// chains never change, and sets whose elements are what units declare. Pure.
///
/// Traffic from or to a jail's interface that no element allows is refused; traffic that touches no
/// jail's interface is passed on at the first rule of each chain.
namespace jailsvc::jailer {

/// What this installation calls its own things.
struct NetNames {
    std::string table;   ///< "jailsvc"
    std::string prefix;  ///< of interfaces: "jsv1a2b-"; the rest is the unit's number
    std::string mark;    ///< begins the alias of each interface of ours

    /// From the run directory, so that two installations on one host keep apart.
    [[nodiscard]] static NetNames of(const std::string& run_directory);
};

/// Addresses as texts, "10.213.0.5"; protocols as "tcp" and "udp".
struct NetGuard {
    std::string interface, address;
    bool operator==(const NetGuard&) const = default;
};
struct NetEdge {
    std::string from, to, protocol;
    std::uint16_t port;
    bool operator==(const NetEdge&) const = default;
};
struct NetForward {
    std::string protocol;
    std::uint16_t host_port;
    std::string to;
    std::uint16_t jail_port;
    bool operator==(const NetForward&) const = default;
};

/// All elements, or those of one unit.
struct NetRules {
    std::vector<NetGuard> guards;  ///< the one address that may come from an interface
    std::vector<NetEdge> edges;    ///< who may open connections to whom
    std::vector<NetForward> forwards;

    [[nodiscard]] bool empty() const { return guards.empty() && edges.empty() && forwards.empty(); }
    /// Those that a unit with this address declared.
    [[nodiscard]] NetRules of_address(const std::string& address) const;
    bool operator==(const NetRules&) const = default;
};

/// Makes the table and its chains, whether or not they are there; elements stay.
[[nodiscard]] std::string table_commands(const NetNames& names);
/// `verb` is "add" or "delete"; empty for no elements.
[[nodiscard]] std::string element_commands(const NetNames& names, std::string_view verb,
                                           const NetRules& rules);

/// The table as `nft -j list table` tells it.
struct NetTable {
    NetRules rules;
    std::string chains;  ///< every chain and rule, in order; equal texts mean equal chains
};
[[nodiscard]] Result<NetTable> parse_table(const NetNames& names, std::string_view json);

}  // namespace jailsvc::jailer
