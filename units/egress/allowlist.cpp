#include "egress/allowlist.hpp"

#include <algorithm>

#include "egress/host_name.hpp"

namespace jailsvc::egress {

Result<void> Allowlist::add(std::string_view entry) {
    if (entries_.size() >= kMaxEntries) return fail("too many destinations");
    const auto colon = entry.rfind(':');
    if (colon == std::string_view::npos) return fail("has no port; write \"HOST:PORT\"");
    const std::uint16_t port = parse_port(entry.substr(colon + 1));
    if (port == 0) return fail("its port is no number from 1 to 65535");
    std::string_view name = entry.substr(0, colon);
    const bool below = name.starts_with("*.");
    if (below) name.remove_prefix(2);
    auto host = host_from_people(name);
    if (!host && host.error() == Reason::kIpLiteral) return fail("is an address; name the host");
    if (!host) return fail("names no host");
    entries_.push_back({below ? "." + *host : std::move(*host), port, below});
    return {};
}

bool Allowlist::allows(std::string_view host, std::uint16_t port) const {
    return std::ranges::any_of(entries_, [&](const Entry& entry) {
        if (entry.port != port) return false;
        // A name is no empty label: ".example.org" alone is longer than what stands before it.
        return entry.below ? host.size() > entry.host.size() && host.ends_with(entry.host)
                           : host == entry.host;
    });
}

}  // namespace jailsvc::egress
