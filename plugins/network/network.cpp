// network: what a service reaches by network, and from where it is reached.
//
//   [jail.network]
//   mode = "private"               # "none", "loopback", "host", "private", "join"
//   edges = ["api:8080"]           # mode private: units and ports it may call; "/udp"; "host:5432"
//   forwards = ["80:8080"]         # mode private: host port, jail port; "/udp"
//   range = "10.213.0.0/16"        # mode private: where addresses come from; one for the site
//   join = "db"                    # mode join: whose network it shares
//
// Without a mode it is the host's network, or, with net = true in [jail.namespaces], none.
// Sources: network_namespaces(7), veth(4), unix(7) for abstract sockets. Runs wholly in the [plan]
// phase; keeps no state.
#include <netinet/in.h>

#include <algorithm>
#include <jailsvc_plugin.hpp>

#include "doctor.hpp"

namespace {

using jsv::key;
using jsv::Planner;

constexpr const char* kDefaultRange = "10.213.0.0/16";
constexpr std::size_t kMaxDeclared = 256;  ///< edges or forwards of one unit

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "mode", nullptr,
        "none: no interface is up; loopback: 127.0.0.1 of its own; private: also a network between "
        "jails, as edges and forwards allow; join: another unit's network; host: the host's. "
        "Default: host, or none where jail.namespaces.net is true.",
        "none|loopback|host|private|join"),
    key(JSV_STRING_LIST, "edges", nullptr,
        "Mode private: \"UNIT:PORT\" or \"UNIT:PORT/udp\" it may call; unit \"host\" is the host."),
    key(JSV_STRING_LIST, "forwards", nullptr,
        "Mode private: \"HOST_PORT:JAIL_PORT\" or with \"/udp\": where the host's port leads."),
    key(JSV_STRING, "range", "\"10.213.0.0/16\"",
        "Mode private: addresses of jails; the same in all units, so set it in the profile."),
    key(JSV_STRING, "join", nullptr, "Mode join: the unit whose network it shares."),
};

/// Takes "/tcp" or "/udp" from the end; TCP where neither is there.
std::uint64_t take_protocol(std::string& text) {
    const bool udp = text.ends_with("/udp");
    if (udp || text.ends_with("/tcp")) text.resize(text.size() - 4);
    return udp ? IPPROTO_UDP : IPPROTO_TCP;
}

/// What stands before and after the last colon; the second is a port.
struct Split {
    std::string first;
    std::uint64_t port = 0;
};
std::optional<std::uint64_t> parse_port(std::string_view text) {
    const auto port = jsv::parse_decimal(text, UINT16_MAX);
    return port == 0 ? std::nullopt : port;
}
std::optional<Split> split_port(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0) return std::nullopt;
    const auto port = parse_port(std::string_view(text).substr(colon + 1));
    if (!port) return std::nullopt;
    return Split{text.substr(0, colon), *port};
}

std::vector<std::string> declared(Planner& plan, const char* name) {
    auto all = plan.list(name).value_or(std::vector<std::string>{});
    if (all.size() > kMaxDeclared) plan.fail(name, "at most 256 are possible");
    return all;
}

void add_edges(Planner& plan) {
    for (std::string text : declared(plan, "edges")) {
        const std::string written = text;
        const std::uint64_t protocol = take_protocol(text);
        const auto edge = split_port(text);
        if (!edge) {
            plan.fail("edges", "\"" + written +
                                   "\" is no edge; write \"UNIT:PORT\", such as "
                                   "\"api:8080\", or \"dns:53/udp\"");
            continue;
        }
        plan.add({.kind = JSV_OP_NET_EDGE,
                  .key = "edges",
                  .text = {edge->first},
                  .number = {edge->port, protocol}});
    }
}

void add_forwards(Planner& plan) {
    for (std::string text : declared(plan, "forwards")) {
        const std::string written = text;
        const std::uint64_t protocol = take_protocol(text);
        const auto ports = split_port(text);
        const auto host = ports ? parse_port(ports->first) : std::nullopt;
        if (!host) {
            plan.fail("forwards", "\"" + written +
                                      "\" is no forward; write \"HOST_PORT:JAIL_PORT\", "
                                      "such as \"80:8080\", or \"53:5353/udp\"");
            continue;
        }
        plan.add({.kind = JSV_OP_NET_FORWARD,
                  .key = "forwards",
                  .number = {*host, ports->port, protocol}});
    }
}

/// The names of those it may call. In a tree without mount namespace there is nowhere to put them.
void add_hosts(Planner& plan) {
    const bool mounts = plan.other_flag("namespaces", "mount").value_or(false) &&
                        plan.other_text("chroot", "mode").value_or("host") != "none";
    if (!mounts) return;
    plan.add(
        {.kind = JSV_OP_BIND,
         .key = "edges",
         .text = {plan.directory_root("hosts") + "/" + plan.unit_name(), "/etc/hosts"},
         .flags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV | JSV_MOUNT_NOEXEC});
}

void add_private(Planner& plan) {
    plan.add({.kind = JSV_OP_NETWORK,
              .key = "mode",
              .text = {plan.text("range").value_or(kDefaultRange)},
              .number = {JSV_NET_PRIVATE}});
    add_edges(plan);
    add_forwards(plan);
    add_hosts(plan);
}

void add_join(Planner& plan) {
    const auto unit = plan.text("join");
    if (!unit) return plan.fail("mode", "\"join\" needs join = \"UNIT\", whose network it is");
    if (*unit == plan.unit_name()) return plan.fail("join", "is this unit itself");
    plan.add({.kind = JSV_OP_NETWORK_JOIN, .key = "join", .text = {*unit}});
}

/// A key that its mode would pass over in silence is a mistake.
void refuse_keys_of_other_modes(Planner& plan, const std::string& mode) {
    for (const char* name : {"edges", "forwards"}) {
        if (mode != "private" && plan.list(name)) {
            plan.fail(name, "is of mode \"private\", and the mode is \"" + mode + "\"");
        }
    }
    if (mode != "join" && plan.text("join")) {
        plan.fail("join", "is of mode \"join\", and the mode is \"" + mode + "\"");
    }
}

int plan(const jsv_host* host) {
    Planner planner(host);
    const bool own = planner.other_flag("namespaces", "net").value_or(false);
    const std::string mode = planner.text("mode").value_or(own ? "none" : "host");
    if (mode == "host" && own) {
        planner.fail("mode",
                     "\"host\" is at odds with net = true in [jail.namespaces]; set that to false, "
                     "or leave the mode out");
    }
    refuse_keys_of_other_modes(planner, mode);
    if (mode == "none") {
        planner.add({.kind = JSV_OP_NETWORK, .key = "mode", .number = {JSV_NET_NONE}});
    } else if (mode == "loopback") {
        planner.add({.kind = JSV_OP_NETWORK, .key = "mode", .number = {JSV_NET_LOOPBACK}});
    } else if (mode == "private") {
        add_private(planner);
    } else if (mode == "join") {
        add_join(planner);
    }
    return planner.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "network",
                        .version = "1.0",
                        .doc = "What the service reaches by network, and from where.",
                        .plan = plan,
                        .doctor = jailsvc::network::doctor});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
