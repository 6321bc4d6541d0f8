#include "jailer/net/links.hpp"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

namespace jailsvc::jailer {
namespace {

/// A text that the kernel ends with a NUL.
std::string text_of(std::optional<std::string_view> value) {
    if (!value) return {};
    return std::string(value->substr(0, value->find('\0')));
}

}  // namespace

bool NetInterface::is_up() const {
    return (flags & IFF_UP) != 0;
}

Result<std::vector<NetInterface>> list_interfaces(Netlink& netlink) {
    TRY(const auto answers, netlink.dump(NetlinkMessage(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{})));
    std::vector<NetInterface> all;
    for (const NetlinkAnswer& answer : answers) {
        const auto info = answer.body<ifinfomsg>();
        if (answer.type != RTM_NEWLINK || !info) continue;
        all.push_back({.index = info->ifi_index,
                       .flags = info->ifi_flags,
                       .name = text_of(answer.attribute(sizeof *info, IFLA_IFNAME)),
                       .alias = text_of(answer.attribute(sizeof *info, IFLA_IFALIAS))});
    }
    return all;
}

Result<std::vector<NetAddress>> list_addresses(Netlink& netlink) {
    TRY(const auto answers, netlink.dump(NetlinkMessage(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{})));
    std::vector<NetAddress> all;
    for (const NetlinkAnswer& answer : answers) {
        const auto info = answer.body<ifaddrmsg>();
        if (answer.type != RTM_NEWADDR || !info) continue;
        // Of a point-to-point interface IFA_ADDRESS is the peer's (linux/if_addr.h).
        auto bytes = answer.attribute(sizeof *info, IFA_LOCAL);
        if (!bytes) bytes = answer.attribute(sizeof *info, IFA_ADDRESS);
        all.push_back({.index = static_cast<int>(info->ifa_index),
                       .family = info->ifa_family,
                       .prefix = info->ifa_prefixlen,
                       .bytes = std::string(bytes.value_or(""))});
    }
    return all;
}

}  // namespace jailsvc::jailer
