#include "jailer/net/private_networks.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/sys.hpp"
#include "jailer/net/net_namespace.hpp"

namespace jailsvc::jailer {
namespace {

constexpr const char* kHost = "host";  ///< in edges: the host itself
constexpr const char* kInJail = "eth0";

std::string protocol_name(std::uint64_t number) {
    return number == IPPROTO_UDP ? "udp" : "tcp";
}

Result<void> write_setting(const char* family, const std::string& interface, const char* name,
                           const char* value) {
    const std::string path = fmt::format("/proc/sys/net/{}/conf/{}/{}", family, interface, name);
    return sys::write_file(path, value);
}

/// IPv6 is off between jails; a kernel without it has no such file.
Result<void> disable_ipv6(const std::string& interface) {
    if (::access("/proc/sys/net/ipv6", F_OK) == -1) return {};
    return write_setting("ipv6", interface, "disable_ipv6", "1");
}

/// Whether something on the host listens there already: it would no longer be reached.
bool is_taken(const NetForward& forward) {
    const int type = forward.protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
    const Fd probe(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    // What is left of closed connections does not count; for UDP it would let servers share.
    const int on = type == SOCK_STREAM ? 1 : 0;
    (void)::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(forward.host_port);
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    return ::bind(probe.get(), raw, sizeof address) == -1 && errno == EADDRINUSE;
}

NetAddressV4 address_in(const NetAddress& address) {
    std::uint32_t value = 0;
    if (address.bytes.size() != sizeof value) return 0;
    std::memcpy(&value, address.bytes.data(), sizeof value);
    return ntohl(value);
}

/// Both ends begin in the jail's namespace, and end with it: the host never sees one of ours that
/// bears no mark, wherever we are stopped.
Result<void> make_marked_pair(const std::string& name, const std::string& mark, int jail) {
    TRY(const Fd host, sys::open("/proc/self/ns/net", O_RDONLY));
    TRY(Netlink inside, Netlink::open_in(jail));
    TRY_VOID(make_pair(inside, name));
    TRY(const int outer, find_interface(inside, name));
    TRY_VOID(set_alias(inside, outer, mark));
    return move_interface(inside, outer, host.get());
}

template <typename Element>
bool same(const std::vector<Element>& a, const std::vector<Element>& b) {
    return a.size() == b.size() && std::ranges::is_permutation(a, b);
}

/// libnftables has no code for it, and leaves errno as it happens to be.
bool is_no_table(const Error& error) {
    return error.code == ENOENT ||
           error.message.find(::strerrordesc_np(ENOENT)) != std::string::npos;
}

Result<void> not_as_made(std::string what) {
    return fail(std::move(what) + ": something else has changed it", 0);
}

}  // namespace

std::optional<NetDemand> NetDemand::of(const Plan& plan) {
    std::optional<NetDemand> demand;
    for (const Op& op : plan.ops) {
        if (op.kind != JSV_OP_NETWORK || op.number[0] != JSV_NET_PRIVATE) continue;
        demand.emplace();
        demand->range = NetRange::parse(op.text[0]).value_or(NetRange{});
    }
    if (!demand) return demand;
    for (const Op& op : plan.ops) {
        if (op.kind == JSV_OP_NET_EDGE) {
            demand->edges.push_back({op.text[0], static_cast<std::uint16_t>(op.number[0]),
                                     protocol_name(op.number[1])});
        } else if (op.kind == JSV_OP_NET_FORWARD) {
            demand->forwards.push_back({static_cast<std::uint16_t>(op.number[0]),
                                        static_cast<std::uint16_t>(op.number[1]),
                                        protocol_name(op.number[2])});
        }
    }
    return demand;
}

PrivateNetworks::PrivateNetworks(NetNames names, std::string hosts, UnitNumbers numbers)
    : names_(std::move(names)), hosts_(std::move(hosts)), numbers_(std::move(numbers)) {}

PrivateNetworks::PrivateNetworks(PrivateNetworks&&) noexcept = default;
PrivateNetworks::~PrivateNetworks() = default;

Result<PrivateNetworks> PrivateNetworks::open(const Places& places) {
    TRY(UnitNumbers numbers, UnitNumbers::open(places.lib + "/networks"));
    return PrivateNetworks(NetNames::of(places.run), places.hosts_root(), std::move(numbers));
}

std::string PrivateNetworks::interface_of(std::uint32_t number) const {
    return names_.prefix + std::to_string(number);
}

Result<NetRules> PrivateNetworks::rules_for(const std::string& unit, const NetDemand& demand) {
    TRY(const std::uint32_t number, numbers_.of(unit));
    TRY(const NetAddressV4 address, demand.range.of_unit(number));
    NetRules rules;
    rules.guards.push_back({interface_of(number), to_text(address)});
    for (const auto& edge : demand.edges) {
        NetAddressV4 to = demand.range.gateway();
        if (edge.unit != kHost) {
            TRY(const std::uint32_t other, numbers_.of(edge.unit));
            TRY(to, demand.range.of_unit(other));
        }
        rules.edges.push_back({to_text(address), to_text(to), edge.protocol, edge.port});
    }
    for (const auto& forward : demand.forwards) {
        rules.forwards.push_back(
            {forward.protocol, forward.host_port, to_text(address), forward.jail_port});
    }
    return rules;
}

/// An address that is somebody else's already would be taken from him.
Result<void> PrivateNetworks::check_range(Netlink& host, const NetRange& range) const {
    TRY(const auto interfaces, list_interfaces(host));
    TRY(const auto routes, list_routes(host));
    for (const NetRoute& route : routes) {
        if (route.prefix == 0 || !range.overlaps(route.to, route.prefix)) continue;
        const auto whose = std::ranges::find(interfaces, route.interface, &NetInterface::index);
        const std::string name = whose == interfaces.end() ? "another interface" : whose->name;
        if (name.starts_with(names_.prefix)) continue;
        return fail(
            fmt::format("range {}/{} overlaps {}/{}, which the host reaches by {}; set "
                        "jail.network.range to a free one",
                        to_text(range.first), range.prefix, to_text(route.to), route.prefix, name),
            EADDRINUSE);
    }
    return {};
}

Result<void> PrivateNetworks::check_forwards(const std::string& unit, const NetRules& wanted) {
    if (wanted.forwards.empty()) return {};
    TRY(const NetTable table, read_table());
    for (const NetForward& forward : wanted.forwards) {
        const auto same_port = [&](const NetForward& other) {
            return other.protocol == forward.protocol && other.host_port == forward.host_port &&
                   other.to != forward.to;
        };
        const bool other_unit = std::ranges::any_of(table.rules.forwards, same_port);
        if (!other_unit && !is_taken(forward)) continue;
        return fail(fmt::format("forwards: port {}/{} of the host is taken by {}; choose another",
                                forward.host_port, forward.protocol,
                                other_unit ? "another unit's forward" : "a program on the host"),
                    EADDRINUSE);
    }
    const auto routing = sys::read_file("/proc/sys/net/ipv4/ip_forward");
    if (routing && routing->starts_with('0')) {
        spdlog::warn(
            "{}: its forwards are reached from this host only, which does not route; set "
            "net.ipv4.ip_forward = 1 for others",
            unit);
    }
    return {};
}

Result<void> PrivateNetworks::write_hosts(const std::string& unit, const NetDemand& demand) {
    TRY(const std::uint32_t number, numbers_.of(unit));
    TRY(const NetAddressV4 own, demand.range.of_unit(number));
    std::string text = fmt::format("127.0.0.1 localhost\n::1 localhost\n{} {}\n{} {}\n",
                                   to_text(own), unit, to_text(demand.range.gateway()), kHost);
    for (const auto& edge : demand.edges) {
        if (edge.unit == kHost) continue;
        TRY(const std::uint32_t other, numbers_.of(edge.unit));
        TRY(const NetAddressV4 address, demand.range.of_unit(other));
        const std::string line = fmt::format("{} {}\n", to_text(address), edge.unit);
        if (text.find("\n" + line) == std::string::npos) text += line;
    }
    TRY_VOID(sys::make_directories(hosts_));
    return sys::replace_file(hosts_ + "/" + unit, text);
}

/// Replaced as a whole where a part of it may be another version's; elements stay.
Result<void> PrivateNetworks::ensure_table() {
    if (!chains_.empty()) return {};
    const std::string commands = table_commands(names_);
    TRY_VOID(nft_.run(commands));
    table_ = true;
    TRY(const NetTable table, read_table());
    std::size_t wanted = 0;
    for (const char* line : {"\nadd chain ", "\nadd rule "}) {
        for (auto at = commands.find(line); at != std::string::npos;
             at = commands.find(line, at + 1)) {
            ++wanted;
        }
    }
    const auto seen = static_cast<std::size_t>(std::ranges::count(table.chains, '\n'));
    if (seen != wanted) {
        return fail(
            fmt::format("table {} has {} chains and rules, not {}", names_.table, seen, wanted),
            EPROTO);
    }
    chains_ = table.chains;
    return {};
}

Result<NetTable> PrivateNetworks::read_table() {
    TRY(const std::string json, nft_.query("list table inet " + names_.table));
    return parse_table(names_, json);
}

Result<void> PrivateNetworks::make(const std::string& unit, const NetDemand& demand, int jail) {
    TRY(Netlink host, Netlink::open());
    TRY_VOID(check_range(host, demand.range));
    remove(unit);  // what an end that went wrong has left
    TRY(const NetRules rules, rules_for(unit, demand));
    TRY_VOID(write_hosts(unit, demand));
    TRY_VOID(ensure_table());
    TRY_VOID(check_forwards(unit, rules));
    // The rules come first: an interface without them is not refused what it sends.
    TRY_VOID(nft_.run(element_commands(names_, "add", rules)));
    TRY_VOID(connect(host, unit, demand, rules.guards.front(), jail));
    return attest_rules(unit, demand);
}

Result<void> PrivateNetworks::number(const std::string& unit, const NetDemand& demand) {
    TRY_VOID(rules_for(unit, demand));
    return {};
}

void PrivateNetworks::remember(const Result<std::string>& state) {
    table_ = !state || state->starts_with('1');
    chains_ = state && !state->empty() ? state->substr(1) : "";
}

Result<void> PrivateNetworks::connect(Netlink& host, const std::string& unit,
                                      const NetDemand& demand, const NetGuard& guard, int jail) {
    const std::string& name = guard.interface;
    TRY(const std::uint32_t number, numbers_.of(unit));
    TRY(const NetAddressV4 own, demand.range.of_unit(number));
    const NetAddressV4 gateway = demand.range.gateway();
    if (auto made = make_marked_pair(name, names_.mark + unit, jail); !made) {
        return fail(fmt::format("interface {}: {}; it needs CAP_NET_ADMIN and the kernel's veth",
                                name, made.error().message),
                    made.error().code);
    }
    TRY(const int outside, find_interface(host, name));
    // Of our own interface alone: whatever comes in by it may be passed on, the rules permitting.
    TRY_VOID(write_setting("ipv4", name, "forwarding", "1"));
    TRY_VOID(write_setting("ipv4", name, "rp_filter", "1"));
    TRY_VOID(disable_ipv6(name));
    TRY_VOID(add_address(host, outside, gateway));
    TRY_VOID(raise_interface(host, outside));
    TRY_VOID(add_route(host, {.to = own, .prefix = 32, .interface = outside, .source = gateway}));

    const IntoNetwork into(jail);
    if (into.code() != 0) return fail_errno("setns", into.code());
    TRY(Netlink inside, Netlink::open());
    TRY(const int eth0, find_interface(inside, kInJail));
    TRY_VOID(disable_ipv6(kInJail));
    TRY_VOID(add_address(inside, eth0, own));
    TRY_VOID(raise_interface(inside, eth0));
    TRY_VOID(add_route(inside, {.to = gateway, .prefix = 32, .interface = eth0}));
    TRY_VOID(add_route(inside, {.to = demand.range.first,
                                .prefix = demand.range.prefix,
                                .interface = eth0,
                                .via = gateway}));
    if (demand.forwards.empty()) return {};
    // Who is forwarded to answers to anywhere; whom it may call itself, the rules say.
    return add_route(inside, {.to = 0, .prefix = 0, .interface = eth0, .via = gateway});
}

Result<void> PrivateNetworks::attest_links(const std::string& unit, const NetDemand& demand,
                                           int jail) {
    TRY(const NetRules wanted, rules_for(unit, demand));
    const NetGuard& guard = wanted.guards.front();
    TRY(Netlink host, Netlink::open());
    TRY(const auto outside, list_interfaces(host));
    const auto pair = std::ranges::find(outside, guard.interface, &NetInterface::name);
    if (pair == outside.end() || !pair->is_up() || pair->alias != names_.mark + unit) {
        return not_as_made(fmt::format("interface {}", guard.interface));
    }
    TRY(Netlink inside, Netlink::open_in(jail));
    TRY(const auto addresses, list_addresses(inside));
    const auto own = std::ranges::count_if(addresses, [&](const NetAddress& address) {
        return address.prefix == 32 && to_text(address_in(address)) == guard.address;
    });
    if (own != 1) return not_as_made(fmt::format("address {}", guard.address));
    TRY(const auto routes, list_routes(inside));
    const auto routes_wanted = demand.forwards.empty() ? 2U : 3U;
    if (routes.size() != routes_wanted) return not_as_made("the jail's routes");
    return {};
}

Result<void> PrivateNetworks::attest_rules(const std::string& unit, const NetDemand& demand) {
    TRY_VOID(ensure_table());
    TRY(const NetRules wanted, rules_for(unit, demand));
    TRY(const NetTable table, read_table());
    const NetRules seen = table.rules.of_address(wanted.guards.front().address);
    const bool rules_hold = same(seen.guards, wanted.guards) && same(seen.edges, wanted.edges) &&
                            same(seen.forwards, wanted.forwards) && table.chains == chains_;
    return rules_hold ? Result<void>() : not_as_made(fmt::format("table {}", names_.table));
}

/// Elements by the address that the interface's guard says; the table with the last of them.
Result<void> PrivateNetworks::remove_rules(const std::string& interface) {
    if (!table_) return {};
    auto read = read_table();
    if (!read && is_no_table(read.error())) return {};
    TRY(const NetTable table, std::move(read));
    const auto guard = std::ranges::find(table.rules.guards, interface, &NetGuard::interface);
    const bool own = guard != table.rules.guards.end();
    if (!own && !table.rules.guards.empty()) return {};
    if (table.rules.guards.size() > 1) {
        return nft_.run(element_commands(names_, "delete", table.rules.of_address(guard->address)));
    }
    table_ = false;
    chains_.clear();
    return nft_.run("delete table inet " + names_.table + "\n");
}

/// Only with our mark: an interface of that name may be somebody else's.
Result<void> PrivateNetworks::remove_interface(const std::string& unit, const std::string& name) {
    TRY(Netlink host, Netlink::open());
    TRY(const auto interfaces, list_interfaces(host));
    const auto found = std::ranges::find(interfaces, name, &NetInterface::name);
    if (found == interfaces.end() || found->alias != names_.mark + unit) return {};
    const auto deleted = delete_interface(host, found->index);
    if (!deleted && deleted.error().code != ENODEV) return deleted;
    return {};
}

void PrivateNetworks::remove(const std::string& unit) {
    if (!numbers_.has(unit)) return;
    const auto number = numbers_.of(unit);
    if (!number) return;
    const std::string name = interface_of(*number);
    for (const auto& done : {remove_interface(unit, name), remove_rules(name)}) {
        if (!done) spdlog::error("{}: its network stays: {}", unit, done.error().message);
    }
    (void)::unlink((hosts_ + "/" + unit).c_str());
}

/// The directory is ours alone: what is no living unit's is a dead one's, or half a file.
void PrivateNetworks::sweep_hosts(const std::function<bool(const std::string& unit)>& lives) const {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(hosts_, none)) {
        const std::string name = entry.path().filename();
        if (!lives(name)) (void)::unlink(entry.path().c_str());
    }
}

void PrivateNetworks::sweep(const std::function<bool(const std::string& unit)>& lives) {
    const auto units = numbers_.units();
    if (units.empty()) return;
    auto host = Netlink::open();
    const auto interfaces =
        host ? list_interfaces(*host) : std::unexpected(std::move(host).error());
    if (!interfaces) return spdlog::error("network: {}", interfaces.error().message);
    const auto table = read_table();  // an error where there is none
    table_ = table.has_value();
    std::set<std::string> names;
    for (const NetInterface& interface : *interfaces) names.insert(interface.name);
    for (const NetGuard& guard : table ? table->rules.guards : std::vector<NetGuard>{}) {
        names.insert(guard.interface);
    }
    for (const std::string& unit : units) {
        const auto number = numbers_.of(unit);
        if (number && names.contains(interface_of(*number)) && !lives(unit)) remove(unit);
    }
    sweep_hosts(lives);
    const auto done = remove_rules({});  // a table that its maker put nothing into
    if (!done) spdlog::error("table {} stays: {}", names_.table, done.error().message);
}

}  // namespace jailsvc::jailer
