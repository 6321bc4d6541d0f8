#include "jailer/net/rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/digest.hpp"

namespace jailsvc::jailer {
namespace {

using Json = nlohmann::json;

constexpr const char* kInstalled = "/run/jailsvc";
constexpr std::size_t kTagDigits = 4;

/// @T is the table, @J any jail's interface.
///
/// guard: a jail sends from its own address or not at all, and no IPv6. Before connection tracking.
/// arrive, depart: forwards, for connections from outside and from this host; not for those from
/// jails, which have edges. input: what a jail may ask of the host itself. forward: between jails,
/// and from outside. output: the host's root may look into any jail, others only where all may.
constexpr std::string_view kTable = R"(add table inet @T
add set inet @T guards { type ifname . ipv4_addr; }
add set inet @T edges { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }
add set inet @T entries { type ipv4_addr . inet_proto . inet_service; }
add map inet @T forwards { type inet_proto . inet_service : ipv4_addr . inet_service; }
add chain inet @T guard { type filter hook prerouting priority raw; policy accept; }
flush chain inet @T guard
add rule inet @T guard iifname "@J*" meta nfproto ipv6 drop
add rule inet @T guard iifname "@J*" iifname . ip saddr != @guards drop
add chain inet @T arrive { type nat hook prerouting priority dstnat; policy accept; }
flush chain inet @T arrive
add rule inet @T arrive iifname != "@J*" fib daddr type local dnat ip to meta l4proto . th dport map @forwards
add chain inet @T depart { type nat hook output priority -100; policy accept; }
flush chain inet @T depart
add rule inet @T depart ip daddr != 127.0.0.0/8 fib daddr type local dnat ip to meta l4proto . th dport map @forwards
add chain inet @T refuse
flush chain inet @T refuse
add rule inet @T refuse meta l4proto tcp reject with tcp reset
add rule inet @T refuse reject with icmpx admin-prohibited
add chain inet @T input { type filter hook input priority filter; policy accept; }
flush chain inet @T input
add rule inet @T input iifname != "@J*" accept
add rule inet @T input ct state established,related accept
add rule inet @T input ip saddr . ip daddr . meta l4proto . th dport @edges accept
add rule inet @T input goto refuse
add chain inet @T forward { type filter hook forward priority filter; policy accept; }
flush chain inet @T forward
add rule inet @T forward iifname != "@J*" oifname != "@J*" accept
add rule inet @T forward ct state established,related accept
add rule inet @T forward iifname "@J*" oifname "@J*" ip saddr . ip daddr . meta l4proto . th dport @edges accept
add rule inet @T forward iifname != "@J*" ct status dnat ip daddr . meta l4proto . th dport @entries accept
add rule inet @T forward goto refuse
add chain inet @T output { type filter hook output priority filter; policy accept; }
flush chain inet @T output
add rule inet @T output oifname != "@J*" accept
add rule inet @T output ct state established,related accept
add rule inet @T output meta skuid 0 accept
add rule inet @T output ip daddr . meta l4proto . th dport @entries accept
add rule inet @T output goto refuse
)";

void replace_all(std::string& text, std::string_view what, std::string_view by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
        text.replace(at, what.size(), by);
    }
}

std::string quoted(const std::string& text) {
    return '"' + text + '"';
}

/// One command for all elements of a set, each once; empty for none.
template <typename Element, typename Text>
std::string elements(const NetNames& names, std::string_view verb, const char* set_name,
                     const std::vector<Element>& all, const Text& text) {
    if (all.empty()) return {};
    std::set<std::string> texts;
    for (const Element& one : all) texts.insert(text(one));
    return fmt::format("{} element inet {} {} {{ {} }}\n", verb, names.table, set_name,
                       fmt::join(texts, ", "));
}

/// The parts of an element, which nft writes as {"concat": […]}.
const Json& parts(const Json& element, std::size_t count) {
    const Json& all = element.at("concat");
    if (all.size() != count) throw std::runtime_error("an element of another form");
    return all;
}

/// A protocol is a name, or a number where /etc/protocols has none.
std::string protocol_of(const Json& json) {
    if (json.is_string()) return json.get<std::string>();
    return json.get<int>() == 6 ? "tcp" : "udp";
}

void read_set(const Json& set, NetRules& rules) {
    const auto name = set.at("name").get<std::string>();
    const auto found = set.find("elem");
    if (found == set.end()) return;
    for (const Json& element : *found) {
        if (name == "guards") {
            const Json& p = parts(element, 2);
            rules.guards.push_back({p[0], p[1]});
        } else if (name == "edges") {
            const Json& p = parts(element, 4);
            rules.edges.push_back({p[0], p[1], protocol_of(p[2]), p[3]});
        } else if (name == "forwards") {
            const Json& key = parts(element.at(0), 2);
            const Json& value = parts(element.at(1), 2);
            rules.forwards.push_back({protocol_of(key[0]), key[1], value[0], value[1]});
        }
    }
}

void read_object(const Json& object, NetTable& table) {
    for (const char* kind : {"set", "map"}) {
        if (const auto set = object.find(kind); set != object.end()) read_set(*set, table.rules);
    }
    for (const char* kind : {"chain", "rule"}) {
        const auto found = object.find(kind);
        if (found == object.end()) continue;
        Json copy = *found;
        copy.erase("handle");  // counts how often it was written
        table.chains += copy.dump() + "\n";
    }
}

}  // namespace

NetNames NetNames::of(const std::string& run_directory) {
    const std::string tag = to_hex(digest_of(run_directory)).substr(0, kTagDigits);
    return {.table = run_directory == kInstalled ? "jailsvc" : "jailsvc_" + tag,
            .prefix = "jsv" + tag + "-",
            .mark = "jailsvc " + tag + " "};
}

NetRules NetRules::of_address(const std::string& address) const {
    NetRules own;
    std::ranges::copy_if(guards, std::back_inserter(own.guards),
                         [&](const NetGuard& guard) { return guard.address == address; });
    std::ranges::copy_if(edges, std::back_inserter(own.edges),
                         [&](const NetEdge& edge) { return edge.from == address; });
    std::ranges::copy_if(forwards, std::back_inserter(own.forwards),
                         [&](const NetForward& forward) { return forward.to == address; });
    return own;
}

std::string table_commands(const NetNames& names) {
    std::string text(kTable);
    replace_all(text, "@T", names.table);
    replace_all(text, "@J", names.prefix);
    return text;
}

std::string element_commands(const NetNames& names, std::string_view verb, const NetRules& rules) {
    return elements(names, verb, "guards", rules.guards,
                    [](const NetGuard& guard) {
                        return quoted(guard.interface) + " . " + guard.address;
                    }) +
           elements(names, verb, "edges", rules.edges,
                    [](const NetEdge& edge) {
                        return fmt::format("{} . {} . {} . {}", edge.from, edge.to, edge.protocol,
                                           edge.port);
                    }) +
           elements(names, verb, "entries", rules.forwards,
                    [](const NetForward& forward) {
                        return fmt::format("{} . {} . {}", forward.to, forward.protocol,
                                           forward.jail_port);
                    }) +
           elements(names, verb, "forwards", rules.forwards, [](const NetForward& forward) {
               return fmt::format("{} . {} : {} . {}", forward.protocol, forward.host_port,
                                  forward.to, forward.jail_port);
           });
}

Result<NetTable> parse_table(const NetNames& names, std::string_view json) {
    try {
        NetTable table;
        const Json whole = Json::parse(json);
        for (const Json& object : whole.at("nftables")) read_object(object, table);
        return table;
    } catch (const std::exception& error) {
        return fail(fmt::format("table {}: not understood: {}", names.table, error.what()), EPROTO);
    }
}

}  // namespace jailsvc::jailer
