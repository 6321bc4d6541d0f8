#include "jailer/net/attest_network.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/namespaces.hpp"
#include "jailer/net/links.hpp"

namespace jailsvc::jailer {
namespace {

using Verdict = std::optional<JailFailure>;

Verdict check_namespace(std::uint32_t index, pid_t stub, std::uint64_t expected) {
    const auto ours = namespace_id(index, ::getpid(), "net");
    if (!ours) return ours.error();
    const auto theirs = namespace_id(index, stub, "net");
    if (!theirs) return theirs.error();
    if (*theirs == *ours) {
        return not_held(index, fmt::format("the jail is in the host's network, {}", *ours));
    }
    if (expected == 0 || *theirs == expected) return std::nullopt;
    return not_held(index, fmt::format("the jail is in network {}, not {}", *theirs, expected));
}

bool is_expected(const Op& op, const std::string& name) {
    return name == "lo" || (op.number[0] == JSV_NET_PRIVATE && name == "eth0");
}

/// Interfaces that the kernel puts into every namespace besides (net.core.fb_tunnels_only_for_init_
/// net) are harmless as long as they are down.
Verdict check_interfaces(std::uint32_t index, const Op& op,
                         const std::vector<NetInterface>& interfaces) {
    bool loopback = false;
    for (const NetInterface& seen : interfaces) {
        if (!seen.is_up()) continue;
        if (!is_expected(op, seen.name)) return not_held(index, seen.name + " is up");
        loopback = loopback || seen.name == "lo";
    }
    const bool wanted = op.number[0] != JSV_NET_NONE;
    if (loopback == wanted) return std::nullopt;
    return not_held(
        index, fmt::format("lo is {}, not {}", loopback ? "up" : "down", wanted ? "up" : "down"));
}

bool is_loopback(const NetAddress& address) {
    static const std::string kV6 = std::string(15, '\0') + '\1';
    return address.bytes == kV6 || (address.bytes.size() == 4 && address.bytes[0] == 127);
}

/// Which of the range's addresses it is, PrivateNetworks::attest knows.
Verdict check_addresses(std::uint32_t index, const Op& op,
                        const std::vector<NetAddress>& addresses) {
    const auto others = std::ranges::count_if(
        addresses, [](const NetAddress& address) { return !is_loopback(address); });
    const auto wanted = op.number[0] == JSV_NET_PRIVATE ? 1 : 0;
    if (others == wanted) return std::nullopt;
    return not_held(index, fmt::format("there are {} addresses besides the loopback's, not {}",
                                       others, wanted));
}

}  // namespace

std::optional<JailFailure> attest_network(std::uint32_t index, const Op& op, pid_t stub,
                                          std::uint64_t expected) {
    if (auto verdict = check_namespace(index, stub, expected)) return verdict;
    if (op.kind == JSV_OP_NETWORK_JOIN) return std::nullopt;  // the other unit's, attested there
    const auto target = sys::pidfd_open(stub);
    if (!target) return failed(index, "pidfd_open", target.error().code);
    auto netlink = Netlink::open_in(target->get());
    if (!netlink) return failed(index, "netlink", netlink.error().code);
    const auto interfaces = list_interfaces(*netlink);
    if (!interfaces) return failed(index, "interfaces", interfaces.error().code);
    if (auto verdict = check_interfaces(index, op, *interfaces)) return verdict;
    const auto addresses = list_addresses(*netlink);
    if (!addresses) return failed(index, "addresses", addresses.error().code);
    return check_addresses(index, op, *addresses);
}

}  // namespace jailsvc::jailer
