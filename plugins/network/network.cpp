// network: what a service reaches by network, and from where it is reached.
//
//   [jail.network]
//   mode = "loopback"   # "none", "loopback", "host"
//
// Without a mode it is the host's network, or, with net = true in [jail.namespaces], none.
// Sources: network_namespaces(7), netdevice(7), unix(7) for abstract sockets. Runs wholly in the
// [plan] phase; keeps no state.
#include <jailsvc_plugin.hpp>

namespace {

using jsv::key;
using jsv::Planner;

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "mode", nullptr,
        "none: no interface is up; loopback: 127.0.0.1 of its own; host: the host's network. "
        "Default: host, or none where jail.namespaces.net is true.",
        "none|loopback|host"),
};

void add_network(Planner& plan, const char* name, std::uint64_t interfaces) {
    plan.add({.kind = JSV_OP_NETWORK, .key = name, .number = {interfaces}});
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
    if (mode == "none") add_network(planner, "mode", JSV_NET_NONE);
    if (mode == "loopback") add_network(planner, "mode", JSV_NET_LOOPBACK);
    return planner.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "network",
                        .version = "1.0",
                        .doc = "What the service reaches by network, and from where.",
                        .plan = plan});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
