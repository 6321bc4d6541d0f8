#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
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

/// An address of an interface.
struct NetAddress {
    int index = 0;  ///< of the interface
    int family = 0;
    unsigned prefix = 0;
    std::string bytes;  ///< 4 or 16, in network order
};

[[nodiscard]] Result<std::vector<NetInterface>> list_interfaces(Netlink& netlink);
[[nodiscard]] Result<std::vector<NetAddress>> list_addresses(Netlink& netlink);

}  // namespace jailsvc::jailer
