#include "verify/sockets.hpp"

#include <fmt/format.h>

#include <map>
#include <string>

#include "config/checks.hpp"
#include "config/socket_address.hpp"

namespace jailsvc::verify {
namespace {

/// Units by the addresses that they claim; the first of each.
using Claims = std::map<std::string, const Known*>;

void check_claims(const Known& known, Claims& claims, config::Diagnostics& found) {
    for (const std::string& text : known.unit.socket->listen) {
        const auto address = config::parse_socket_address(text);
        if (!address || known.unit.socket->reuse_port) continue;
        const auto [first, added] = claims.emplace(to_string(*address), &known);
        if (added) continue;
        found.push_back(at_key(
            known, "socket", "listen",
            fmt::format("{} is listened on by {} too; only one of them can be up, so change one, "
                        "or let them conflict",
                        text, first->second->unit.name)));
    }
}

void check_template(const Known& known, const Lookup& lookup, config::Diagnostics& found) {
    if (!known.unit.socket->accept) return;
    const auto instance = lookup(fmt::format("{}@{}", known.unit.name, config::kStandIn));
    // With errors in its file it does exist; those of a missing one name no place.
    if (instance || instance.error().front().line != 0) return;
    found.push_back(at_key(
        known, "socket", "accept",
        fmt::format("there is no template {}@.toml for its connections; add it", known.unit.name)));
}

}  // namespace

config::Diagnostics check_sockets(const std::vector<Known>& given, const Lookup& lookup) {
    Claims claims;
    config::Diagnostics found;
    for (const Known& known : given) {
        check_claims(known, claims, found);
        check_template(known, lookup, found);
    }
    return found;
}

}  // namespace jailsvc::verify
