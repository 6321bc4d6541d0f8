// egress: what a service without network reaches all the same, by a proxy.
//
//   [jail.network]
//   mode = "loopback"                                         # or "private"
//   egress.allow = ["example.org:443", "*.example.net:443"]   # HOST:PORT; *.HOST: all below HOST
//   egress.port = 3128                                        # of the jail's loopback
//
// Sources: docs/EGRESS.md, unix(7). Runs wholly in the [plan] phase; keeps no state.
#include <algorithm>
#include <jailsvc_plugin.hpp>

namespace {

using jsv::key;
using jsv::Planner;

constexpr std::int64_t kUsualPort = 3128;
constexpr std::size_t kMaxDestinations = 1024;
constexpr std::size_t kMaxHost = 1000;  ///< of UTF-8; the proxy counts the bytes of its ASCII form

constexpr jsv_key kKeys[] = {
    key(JSV_STRING_LIST, "allow", nullptr,
        "\"HOST:PORT\" that the unit reaches by its proxy, \"*.HOST:PORT\" for every name below "
        "HOST. Programs find the proxy by HTTP_PROXY and its like, which are set; docs/EGRESS.md."),
    key(JSV_INTEGER, "port", "3128",
        "Port of the jail's loopback at which the proxy is: HTTP, CONNECT and SOCKS5."),
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Whether a host is an address to some reader: "127.0.0.1", "0x7f.1", "2130706433", "::1".
bool is_address(std::string_view host) {
    if (host.find_first_of("[]:%") != std::string_view::npos) return true;
    if (host.ends_with('.')) host.remove_suffix(1);
    const std::string_view last = host.substr(host.rfind('.') + 1);
    if (last.starts_with("0x") || last.starts_with("0X")) {
        return last.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
    }
    return !last.empty() && std::ranges::all_of(last, is_digit);
}

/// Letters of other scripts are for the proxy to judge.
bool is_host(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    const auto good = [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '_' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
    };
    return !host.empty() && host.size() <= kMaxHost && host.front() != '.' &&
           host.find("..") == std::string_view::npos && std::ranges::all_of(host, good);
}

/// What is wrong with an entry; empty if nothing is.
std::string fault_of(std::string_view entry) {
    const auto colon = entry.rfind(':');
    if (colon == std::string_view::npos) return "has no port; write \"HOST:PORT\"";
    const auto port = jsv::parse_decimal(entry.substr(colon + 1), UINT16_MAX);
    if (!port || *port == 0) return "has no port from 1 to 65535";
    std::string_view host = entry.substr(0, colon);
    if (host.starts_with("*.")) host.remove_prefix(2);
    if (is_address(host)) return "is an address; the proxy looks names up itself: name the host";
    if (is_host(host)) return {};
    return "names no host; write \"example.org:443\", or \"*.example.org:443\" for what is below "
           "it";
}

void check_mode(Planner& plan) {
    const std::string mode = plan.other_text("network", "mode").value_or("");
    if (mode == "loopback" || mode == "private") return;
    plan.fail("allow",
              "needs mode = \"loopback\" (or \"private\") in [jail.network]: the proxy is at a "
              "port of the jail's own loopback" +
                  std::string(mode == "none" ? ", which in mode \"none\" is down"
                                             : ", and nothing may go past it"));
}

int plan(const jsv_host* host) {
    Planner planner(host);
    const auto allowed = planner.list("allow");
    const std::int64_t port = planner.integer("port").value_or(kUsualPort);
    if (port < 1 || port > UINT16_MAX) planner.fail("port", "is no port from 1 to 65535");
    if (!allowed || allowed->empty()) return planner.result();
    if (allowed->size() > kMaxDestinations) planner.fail("allow", "at most 1024 are possible");
    check_mode(planner);
    if (planner.unit_name().find("@:") != std::string::npos) {
        planner.fail("allow", "not for instances that are made for a connection each");
    }
    for (const std::string& entry : *allowed) {
        if (const std::string fault = fault_of(entry); !fault.empty()) {
            planner.fail("allow", "\"" + entry + "\" " + fault);
            continue;
        }
        planner.add({.kind = JSV_OP_EGRESS,
                     .key = "allow",
                     .text = {entry},
                     .number = {static_cast<std::uint64_t>(port)}});
    }
    return planner.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "egress",
                        .version = "1.0",
                        .doc = "What a service without network reaches by a proxy; docs/EGRESS.md.",
                        .plan = plan,
                        .table = "jail.network.egress",
                        .companion = "egress"});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
