#include "config/socket_keys.hpp"

#include <net/if.h>

#include <algorithm>
#include <set>

#include "config/checks.hpp"
#include "config/core_rows.hpp"
#include "config/nearest.hpp"
#include "config/socket_address.hpp"

namespace jailsvc::config {

static constexpr Names<Activation, 2> names_of(Activation) {
    return {{{"eager", Activation::kEager}, {"on_demand", Activation::kOnDemand}}};
}

namespace {

constexpr std::size_t kMaxAddresses = 64;
constexpr std::size_t kMaxSocketName = 255;  ///< sd_listen_fds(3)
constexpr Rows<SocketTable, Rarely<SocketTable>> socket{"socket", &Unit::socket};

void addresses(const Value& value, const CheckContext& context) {
    const auto& list = std::get<TextList>(value.data);
    if (list.size() > kMaxAddresses) {
        context.complain(value.where, fmt::format("{} are the most", kMaxAddresses));
    }
    std::set<std::string> seen;
    for (const Text& one : list) {
        const auto address = parse_socket_address(one.text);
        if (!address) {
            context.complain(one.where,
                             fmt::format("{}: {}", shown(one.text), address.error().message));
        } else if (!seen.insert(to_string(*address)).second) {
            context.complain(one.where, fmt::format("{} is there twice", shown(one.text)));
        }
    }
}

/// sd_listen_fds_with_names(3): printable, without the ':' that stands between them.
void socket_names(const Value& value, const CheckContext& context) {
    for (const Text& one : std::get<TextList>(value.data)) {
        const bool good =
            !one.text.empty() && one.text.size() <= kMaxSocketName &&
            std::ranges::all_of(one.text, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
        if (good) continue;
        context.complain(one.where, fmt::format("{} is no name of a socket; use printable ASCII "
                                                "without space and \":\", {} bytes",
                                                shown(one.text), kMaxSocketName));
    }
}

void octal_mode(const Value& value, const CheckContext& context) {
    const auto& text = std::get<Text>(value.data);
    const bool good = text.text.size() >= 3 && text.text.size() <= 4 &&
                      (text.text.size() == 3 || text.text.front() == '0') &&
                      std::ranges::all_of(text.text, [](char c) { return c >= '0' && c <= '7'; });
    if (good) return;
    context.complain(text.where,
                     fmt::format("{} is no mode; use octal digits, as \"0660\"", shown(text.text)));
}

void interface_name(const Value& value, const CheckContext& context) {
    const auto& text = std::get<Text>(value.data);
    const bool good =
        text.text.size() < IF_NAMESIZE &&
        std::ranges::all_of(text.text, [](char c) { return c > ' ' && c < 0x7f && c != '/'; });
    if (!good) context.complain(text.where, shown(text.text) + " is no name of an interface");
}

std::vector<CoreKey> options() {
    using S = SocketTable;
    constexpr std::uint64_t kMostBuffer = 1U << 30;
    return {
        socket("reuse_port", &S::reuse_port,
               "Others of the same user may listen on the same port besides (SO_REUSEPORT)."),
        socket("ipv6_only", &S::ipv6_only,
               "An IPv6 address takes no IPv4 connections. Else \"tcp:80\" and \"tcp:[::]:80\" "
               "take both."),
        socket("free_bind", &S::free_bind,
               "The address need not be there yet (IP_FREEBIND): for one that comes later."),
        socket("no_delay", &S::no_delay,
               "Small packets of TCP are sent at once (TCP_NODELAY); connections inherit it."),
        socket("keep_alive", &S::keep_alive,
               "TCP finds out by itself that a peer has gone (SO_KEEPALIVE); connections inherit "
               "it."),
        socket("defer_accept", &S::defer_accept,
               "A TCP connection counts once its first data is there, or after this time "
               "(TCP_DEFER_ACCEPT); 0: when it is made."),
        socket("bind_to_device", &S::bind_to_device,
               "Only what comes over this network interface (SO_BINDTODEVICE).", interface_name),
        socket("pass_credentials", &S::pass_credentials,
               "Messages over Unix sockets carry their sender's credentials (SO_PASSCRED)."),
        socket("receive_buffer", &S::receive_buffer,
               "Size of the receive buffer (SO_RCVBUF); 0: the kernel's choice.",
               bytes_in_range(0, kMostBuffer)),
        socket("send_buffer", &S::send_buffer,
               "Size of the send buffer (SO_SNDBUF); 0: the kernel's choice.",
               bytes_in_range(0, kMostBuffer)),
    };
}

void check_names(const Document& document, std::size_t addresses_given, Reporter& reporter) {
    const Value* names = document.find("socket", "names");
    if (names == nullptr) return;
    const std::size_t count = std::get<TextList>(names->data).size();
    if (count == 0 || count == addresses_given) return;
    reporter.add(names->where, fmt::format("names: {} for {} addresses; give each its name", count,
                                           addresses_given));
}

bool is_true(const Document& document, std::string_view key) {
    const Value* value = document.find("socket", key);
    return value != nullptr && std::get<bool>(value->data);
}

/// What accepting connections takes.
void check_accept(const Document& document, const TextList& list, Reporter& reporter) {
    for (const Text& one : list) {
        const auto address = parse_socket_address(one.text);
        if (!address || address->has_connections()) continue;
        reporter.add(one.where, fmt::format("listen: {} knows no connections that could be "
                                            "accepted; remove accept",
                                            shown(one.text)));
    }
    const auto service = document.sections.find("service");
    if (service == document.sections.end()) return;
    reporter.add(service->second.where,
                 "[service]: with accept = true in [socket] the service of each connection is that "
                 "of the template NAME@.toml; move this table there");
}

}  // namespace

std::vector<CoreKey> socket_keys() {
    using S = SocketTable;
    std::vector<CoreKey> rows{
        socket("listen", &S::listen,
               "Addresses: \"tcp:127.0.0.1:80\", \"tcp:[::1]:80\", \"tcp:80\" (all), \"udp:…\", "
               "\"unix:/run/x.sock\", \"unix:@abstract\", \"unix-dgram:…\", \"unix-seqpacket:…\", "
               "\"fifo:/run/x\", \"vsock:PORT\". The service gets them as its descriptors from 3 "
               "on, in this order (sd_listen_fds(3)), in the host's network whatever its own.",
               addresses),
        socket("names", &S::names,
               "A name for each, for LISTEN_FDNAMES; the unit's own if there are none.",
               socket_names),
        socket("activation", &S::activation,
               "eager: opened when the service starts. on_demand: a start of the unit opens them, "
               "it is \"listening\", and the first connection starts the service; when that ends "
               "by itself it is listening again. Either way they stay open until the unit is "
               "stopped or fails."),
        socket("accept", &S::accept,
               "Each connection is accepted and given to an instance of its own of the template "
               "NAME@.toml, which is gone when it ends. This unit then has no [service]."),
        socket("stdio", &S::stdio,
               "With accept: the connection is the program's standard input and output, as inetd "
               "has it, instead of descriptor 3."),
        socket("max_connections", &S::max_connections,
               "With accept: so many at the same time; further ones are closed at once.",
               in_range(1, 16'000)),
        socket("max_connections_per_source", &S::max_connections_per_source,
               "Likewise of one address, or of one user over Unix sockets; 0: no such limit.",
               in_range(0, 16'000)),
        socket("trigger_limit_burst", &S::trigger_limit_burst,
               "More activations or connections than this within trigger_limit_interval, and the "
               "unit fails, its sockets closed; 0: 20, and 200 with accept.",
               in_range(0, 1'000'000)),
        socket("trigger_limit_interval", &S::trigger_limit_interval,
               "Span of time in which they are counted; 0 switches the limit off."),
        socket("backlog", &S::backlog,
               "Connections that may wait to be accepted; the kernel has a limit of its own "
               "(net.core.somaxconn).",
               in_range(1, 65535)),
        socket("mode", &S::mode, "Access mode of sockets and FIFOs that are files.", octal_mode),
        socket("owner", &S::owner, "Their owner, by name or number; root if absent."),
        socket("group", &S::group, "Their group, by name or number; root's if absent."),
    };
    for (auto& row : options()) rows.push_back(std::move(row));
    return rows;
}

void check_socket(const Document& document, Reporter& reporter) {
    const auto section = document.sections.find("socket");
    if (section == document.sections.end()) return;
    const Value* listen = document.find("socket", "listen");
    if (listen == nullptr || std::get<TextList>(listen->data).empty()) {
        if (!section->second.incomplete) {
            reporter.add(section->second.where, "listen: missing; [socket] needs addresses");
        }
        return;
    }
    const auto& list = std::get<TextList>(listen->data);
    check_names(document, list.size(), reporter);
    const bool accepts = is_true(document, "accept");
    if (accepts) return check_accept(document, list, reporter);
    if (is_true(document, "stdio")) {
        reporter.add(document.find("socket", "stdio")->where,
                     "stdio: only with accept = true; a service that accepts itself gets its "
                     "sockets from descriptor 3 on");
    }
    if (!document.sections.contains("service")) {
        reporter.add(section->second.where,
                     "[socket]: there is no [service] that could use them; add it, or accept = "
                     "true and the template NAME@.toml");
    }
}

}  // namespace jailsvc::config
