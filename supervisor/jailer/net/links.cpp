#include "jailer/net/links.hpp"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <algorithm>
#include <cerrno>

namespace jailsvc::jailer {
namespace {

/// A text that the kernel ends with a NUL.
std::string text_of(std::optional<std::string_view> value) {
    if (!value) return {};
    return std::string(value->substr(0, value->find('\0')));
}

constexpr std::uint16_t kNew = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
constexpr const char* kInJail = "eth0";

ifinfomsg info_of(int interface, unsigned flags = 0, unsigned change = 0) {
    ifinfomsg info{};
    info.ifi_index = interface;
    info.ifi_flags = flags;
    info.ifi_change = change;
    return info;
}

std::optional<NetRoute> route_of(const NetlinkAnswer& answer) {
    const auto info = answer.body<rtmsg>();
    if (answer.type != RTM_NEWROUTE || !info || info->rtm_family != AF_INET ||
        info->rtm_table != RT_TABLE_MAIN) {
        return std::nullopt;
    }
    NetRoute route{.to = 0, .prefix = info->rtm_dst_len, .interface = 0};
    const auto to = answer.attribute(sizeof *info, RTA_DST);
    if (to && to->size() == sizeof route.to) {
        std::memcpy(&route.to, to->data(), sizeof route.to);
        route.to = ntohl(route.to);
    }
    const auto interface = answer.attribute(sizeof *info, RTA_OIF);
    if (interface && interface->size() == sizeof route.interface) {
        std::memcpy(&route.interface, interface->data(), sizeof route.interface);
    }
    return route;
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

Result<std::vector<NetRoute>> list_routes(Netlink& netlink) {
    rtmsg wanted{};
    wanted.rtm_family = AF_INET;
    TRY(const auto answers, netlink.dump(NetlinkMessage(RTM_GETROUTE, NLM_F_DUMP, wanted)));
    std::vector<NetRoute> all;
    for (const NetlinkAnswer& answer : answers) {
        if (const auto route = route_of(answer)) all.push_back(*route);
    }
    return all;
}

Result<int> find_interface(Netlink& netlink, const std::string& name) {
    TRY(const auto all, list_interfaces(netlink));
    const auto found = std::ranges::find(all, name, &NetInterface::name);
    if (found == all.end()) return fail_errno(name, ENODEV);
    return found->index;
}

Result<void> make_pair(Netlink& netlink, const std::string& name) {
    NetlinkMessage message(RTM_NEWLINK, kNew, ifinfomsg{});
    message.text(IFLA_IFNAME, kInJail).nest(IFLA_LINKINFO, [&](NetlinkMessage& link) {
        link.text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, [&](NetlinkMessage& data) {
            data.nest(VETH_INFO_PEER, [&](NetlinkMessage& other) {
                other.body(ifinfomsg{}).text(IFLA_IFNAME, name);
            });
        });
    });
    return netlink.request(message);
}

Result<void> move_interface(Netlink& netlink, int interface, int network) {
    NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK, info_of(interface));
    return netlink.request(message.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(network)));
}

Result<void> set_alias(Netlink& netlink, int interface, const std::string& alias) {
    NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK, info_of(interface));
    return netlink.request(message.attribute(IFLA_IFALIAS, alias));
}

Result<void> raise_interface(Netlink& netlink, int interface) {
    return netlink.request(
        NetlinkMessage(RTM_NEWLINK, NLM_F_ACK, info_of(interface, IFF_UP, IFF_UP)));
}

Result<void> delete_interface(Netlink& netlink, int interface) {
    return netlink.request(NetlinkMessage(RTM_DELLINK, NLM_F_ACK, info_of(interface)));
}

Result<void> add_address(Netlink& netlink, int interface, NetAddressV4 address) {
    ifaddrmsg info{};
    info.ifa_family = AF_INET;
    info.ifa_prefixlen = 32;
    info.ifa_scope = RT_SCOPE_UNIVERSE;
    info.ifa_index = static_cast<std::uint32_t>(interface);
    NetlinkMessage message(RTM_NEWADDR, kNew, info);
    message.attribute(IFA_LOCAL, to_bytes(address)).attribute(IFA_ADDRESS, to_bytes(address));
    return netlink.request(message);
}

Result<void> add_route(Netlink& netlink, const NewRoute& route) {
    rtmsg info{};
    info.rtm_family = AF_INET;
    info.rtm_dst_len = static_cast<unsigned char>(route.prefix);
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_protocol = RTPROT_STATIC;
    info.rtm_scope = route.via == 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    info.rtm_type = RTN_UNICAST;
    NetlinkMessage message(RTM_NEWROUTE, kNew, info);
    if (route.prefix != 0) message.attribute(RTA_DST, to_bytes(route.to));
    message.number(RTA_OIF, static_cast<std::uint32_t>(route.interface));
    if (route.via != 0) message.attribute(RTA_GATEWAY, to_bytes(route.via));
    if (route.source != 0) message.attribute(RTA_PREFSRC, to_bytes(route.source));
    return netlink.request(message);
}

}  // namespace jailsvc::jailer
