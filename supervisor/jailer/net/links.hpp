#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "jailer/net/addresses.hpp"
#include "jailer/net/netlink.hpp"

namespace jailsvc::jailer {

/// A network interface.
struct NetInterface {
    int index = 0;
    unsigned flags = 0;  ///< IFF_*
    std::string name;
    std::string alias;  ///< free text (ip-link(8), alias); ours says whose it is
    [[nodiscard]] bool is_up() const;
};

/// A route of the main table, or an address's own of the local one.
struct NetRoute {
    NetAddressV4 to = 0;
    unsigned prefix = 0;
    int interface = 0;
};

/// An address of an interface.
struct NetAddress {
    int index = 0;  ///< of the interface
    int family = 0;
    unsigned prefix = 0;
    std::string bytes;  ///< 4 or 16, in network order
};

[[nodiscard]] Result<std::vector<NetInterface>> list_interfaces(Netlink& netlink);
[[nodiscard]] Result<std::vector<NetAddress>> list_addresses(Netlink& netlink);
/// IPv4 routes of the main table.
[[nodiscard]] Result<std::vector<NetRoute>> list_routes(Netlink& netlink);
/// Its index, or ENODEV.
[[nodiscard]] Result<int> find_interface(Netlink& netlink, const std::string& name);

/// A pair of interfaces, down: eth0 and `name`, both here.
[[nodiscard]] Result<void> make_pair(Netlink& netlink, const std::string& name);
/// To another network namespace, where no interface has its name; it keeps its alias.
[[nodiscard]] Result<void> move_interface(Netlink& netlink, int interface, int network);
[[nodiscard]] Result<void> set_alias(Netlink& netlink, int interface, const std::string& alias);
[[nodiscard]] Result<void> raise_interface(Netlink& netlink, int interface);
[[nodiscard]] Result<void> delete_interface(Netlink& netlink, int interface);
/// One address, without a route to its neighbours.
[[nodiscard]] Result<void> add_address(Netlink& netlink, int interface, NetAddressV4 address);

/// A route to `to`/`prefix`; `via` 0 is a direct one, `source` 0 leaves the kernel the choice.
struct NewRoute {
    NetAddressV4 to;
    unsigned prefix;
    int interface;
    NetAddressV4 via = 0;
    NetAddressV4 source = 0;
};
[[nodiscard]] Result<void> add_route(Netlink& netlink, const NewRoute& route);

}  // namespace jailsvc::jailer
