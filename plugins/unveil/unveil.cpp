// unveil: which paths exist for a service, and what it may do with them.
//
//   [jail.unveil]
//   "/usr/bin/web" = "x"            # permissions as in unveil(2) of OpenBSD: read, write, execute,
//   "/var/lib/web" = "rwc"          # create and remove; the most specific path wins
//   "-/etc/web.conf" = "r"          # passed over where it does not exist
//   libraries = true                # also the unit's programs, their loader and libraries: "rx"
//   tcp_bind = ["80"]               # TCP ports to listen on; any, unless said
//   tcp_connect = []                # TCP ports to connect to; any, unless said; []: none
//   udp_bind = ["53"]               # the same of UDP
//   udp_connect = []                # also to send to
//   scope = "abstract_sockets"      # abstract sockets of others are out of reach
//
// Two layers. In the view, a root of the jail's own, nothing else exists (ENOENT), what may not be
// written is mounted read-only (EROFS), what may not be executed noexec. Landlock denies what a
// mount cannot tell apart (EACCES), also to who comes by another name. Unveil only takes away: what
// the other tables do not show, or show read-only, stays so.
//
// Sources: landlock(7), mount_setattr(2), unveil(2) of OpenBSD. Runs wholly in the [plan] phase;
// keeps no state.

#include <algorithm>
#include <span>

#include <jailsvc_plugin.hpp>

#include "doctor.hpp"
#include "libraries.hpp"
#include "permissions.hpp"

namespace {

using jsv::key;
using jsv::Planner;
using unveil::Entry;

constexpr jsv_key kKeys[] = {
    key(JSV_STRING_MAP, "*", nullptr,
        "An absolute path, and what may be done there and below: r, w, x, c, or \"\" for nothing; "
        "\"-/path\": if it exists. Other paths are out of reach."),
    key(JSV_BOOL, "view", "true",
        "Whether other paths do not exist (in a mount namespace), or are only denied."),
    key(JSV_BOOL, "landlock", "true", "Whether Landlock denies what the paths do not allow."),
    key(JSV_BOOL, "libraries", "false",
        "Whether the unit's programs, their interpreters, loader and libraries are there too "
        "(rx)."),
    key(JSV_STRING_LIST, "tcp_bind", nullptr, "TCP ports to listen on, and no others."),
    key(JSV_STRING_LIST, "tcp_connect", nullptr, "TCP ports to connect to, and no others."),
    key(JSV_STRING_LIST, "udp_bind", nullptr,
        "UDP ports to receive on, and no others; \"0\": one that the kernel chooses, which sending "
        "from an unbound socket needs too."),
    key(JSV_STRING_LIST, "udp_connect", nullptr, "UDP ports to send to, and no others."),
    key(JSV_STRING, "scope", "\"none\"",
        "What of other services and the host is out of reach: abstract sockets, also signals "
        "(all); "
        "auto: abstract sockets where the kernel can.",
        "none|abstract_sockets|all|auto"),
};

// LANDLOCK_ACCESS_FS_*, _NET_* and LANDLOCK_SCOPE_* of linux/landlock.h.
constexpr std::uint64_t kAllFs = (1U << 17) - 1;
constexpr std::uint64_t kBindTcp = 1U << 0, kConnectTcp = 1U << 1, kBindUdp = 1U << 2,
                        kConnectUdp = 1U << 3;
constexpr std::uint64_t kAbstractSockets = 1U << 0, kSignals = 1U << 1;

struct Ports {
    const char* key;
    std::uint64_t right;
    std::optional<std::vector<std::uint64_t>> ports;
};

std::vector<std::uint64_t> parse_ports(Planner& plan, const char* name,
                                       const std::vector<std::string>& texts) {
    std::vector<std::uint64_t> ports;
    for (const auto& text : texts) {
        const auto port = jsv::parse_decimal(text, UINT16_MAX);
        const bool chosen = port && *port == 0 && std::string_view(name) == "udp_bind";
        if (!port || (*port == 0 && !chosen)) {
            plan.fail(name, "\"" + text + "\" is no port; write 1 to 65535");
        }
        ports.push_back(port.value_or(0));
    }
    return ports;
}

std::array<Ports, 4> read_ports(Planner& plan) {
    std::array<Ports, 4> all = {{{"tcp_bind", kBindTcp, std::nullopt},
                                 {"tcp_connect", kConnectTcp, std::nullopt},
                                 {"udp_bind", kBindUdp, std::nullopt},
                                 {"udp_connect", kConnectUdp, std::nullopt}}};
    for (auto& one : all) {
        if (const auto texts = plan.list(one.key)) one.ports = parse_ports(plan, one.key, *texts);
    }
    return all;
}

struct Scope {
    std::uint64_t scopes = 0;
    std::uint32_t flags = 0;
};

Scope read_scope(Planner& plan) {
    const std::string scope = plan.text("scope").value_or("none");
    if (scope == "abstract_sockets") return {kAbstractSockets, 0};
    if (scope == "all") return {kAbstractSockets | kSignals, 0};
    if (scope == "auto") return {kAbstractSockets, JSV_LANDLOCK_SCOPE_IF_KNOWN};
    if (scope != "none") plan.fail("scope", "unknown scope \"" + scope + "\"");
    return {};
}

/// Whether there is a root of the jail's own to choose from.
bool can_view(Planner& plan) {
    const std::string mode = plan.other_text("chroot", "mode").value_or("host");
    return plan.other_flag("namespaces", "mount").value_or(false) && mode != "none";
}

/// Whether a path lies below another that is shown.
bool is_below_another(std::span<const Entry> entries, const Entry& entry) {
    return std::ranges::any_of(entries, [&](const Entry& outer) {
        return &outer != &entry && !outer.permissions.empty() &&
               unveil::is_within(entry.path, outer.path);
    });
}

/// The unit's programs and what they need to be executed, unless the unit says itself what may be
/// done there. Without a view the paths above add to it.
void add_libraries(Planner& plan, std::vector<Entry>& entries, bool view) {
    const bool image = plan.other_text("chroot", "mode").value_or("host") == "directory";
    const std::string root = image ? plan.other_text("chroot", "root").value_or("") : "";
    const auto wanted = unveil::Permissions::parse("rx").value_or(unveil::Permissions{});
    std::vector<Entry> more;
    for (const auto& path : unveil::closure_of(root, plan.programs())) {
        unveil::Permissions above;
        const Entry* nearest = nullptr;
        for (const Entry& outer : entries) {  // outer ones come first
            if (!unveil::is_within(path, outer.path)) continue;
            above = above.plus(outer.permissions);
            nearest = &outer;
        }
        const bool said = nearest != nullptr &&
                          (nearest->path == path || wanted.minus(nearest->permissions).empty());
        if (said) continue;
        more.push_back({.name = "libraries",
                        .path = path,
                        .permissions = view ? wanted : wanted.plus(above),
                        .if_present = true});
    }
    entries.insert(entries.end(), more.begin(), more.end());
    std::ranges::stable_sort(entries, {}, &Entry::path);
}

/// What the promises' second stage has preloaded has to be there, whatever the unit lists.
void add_preload(Planner& plan, std::vector<Entry>& entries) {
    const bool learns = plan.other_text("pledge", "on_violation") == "log";
    if (entries.empty() || learns || plan.other_text("pledge", "stage") != "main") return;
    entries.push_back(
        {.name = "pledge.stage",
         .path = plan.preload_directory(),
         .permissions = unveil::Permissions::parse("rx").value_or(unveil::Permissions{}),
         .if_present = true});
    std::ranges::stable_sort(entries, {}, &Entry::path);
}

std::uint32_t mount_flags(const Entry& entry) {
    const auto& may = entry.permissions;
    std::uint32_t flags = entry.if_present ? JSV_MOUNT_OPTIONAL : 0U;
    if (!may.has('w') && !may.has('c')) flags |= JSV_MOUNT_READ_ONLY;
    if (!may.has('x')) flags |= JSV_MOUNT_NOEXEC;
    return flags;
}

/// A path with no permissions inside one that is shown is shown empty; elsewhere it does not exist
/// without our doing.
void add_view(Planner& plan, std::span<const Entry> entries) {
    for (const Entry& entry : entries) {
        if (!entry.permissions.empty() || !is_below_another(entries, entry)) continue;
        plan.add({.kind = JSV_OP_MASK,
                  .key = "view",
                  .text = {entry.path},
                  .flags = JSV_MOUNT_OPTIONAL});
    }
    plan.add({.kind = JSV_OP_VIEW, .key = "view"});
    for (const Entry& entry : entries) {
        if (entry.permissions.empty()) continue;
        plan.add({.kind = JSV_OP_REVEAL,
                  .key = "view",
                  .text = {entry.path},
                  .flags = mount_flags(entry)});
    }
}

void add_path_rules(Planner& plan, std::span<const Entry> entries) {
    for (const Entry& entry : entries) {
        if (entry.permissions.empty()) continue;
        plan.add({.kind = JSV_OP_LANDLOCK_PATH,
                  .key = "landlock",
                  .text = {entry.path},
                  .number = {entry.permissions.landlock_rights()},
                  .flags = entry.if_present ? JSV_MOUNT_OPTIONAL : 0U});
    }
}

/// One ruleset for all of it, since each further one is asked at every access.
void add_landlock(Planner& plan, std::span<const Entry> entries, bool paths) {
    const auto all_ports = read_ports(plan);
    const Scope scope = read_scope(plan);
    std::uint64_t net = 0;
    for (const auto& one : all_ports) net |= one.ports ? one.right : 0;
    const std::uint64_t fs = paths ? kAllFs : 0;
    if ((fs | net | scope.scopes) == 0) return;
    plan.add({.kind = JSV_OP_LANDLOCK,
              .key = "landlock",
              .number = {fs, net, scope.scopes},
              .flags = scope.flags});
    if (paths) add_path_rules(plan, entries);
    for (const auto& one : all_ports) {
        for (const auto port : one.ports.value_or(std::vector<std::uint64_t>{})) {
            plan.add(
                {.kind = JSV_OP_LANDLOCK_PORT, .key = "landlock", .number = {port, one.right}});
        }
    }
}

int plan(const jsv_host* host) {
    Planner planner(host);
    std::vector<Entry> entries = unveil::read_entries(planner);
    const bool landlock = planner.flag("landlock").value_or(true);
    const bool view = planner.flag("view").value_or(true) && can_view(planner);
    add_preload(planner, entries);
    if (planner.flag("libraries").value_or(false)) add_libraries(planner, entries, view);
    unveil::check_nesting(planner, entries, view);
    if (!landlock && !view && !entries.empty()) {
        planner.fail("landlock",
                     "nothing else would hold to the paths, since there is no view; remove this "
                     "key, or give the jail a mount namespace and a root");
    }
    if (view && !entries.empty()) add_view(planner, entries);
    add_landlock(planner, entries, landlock && !entries.empty());
    return planner.result();
}

constexpr jsv_plugin kPlugin = jsv::plugin(
    kKeys,
    {.name = "unveil",
     .version = "1.0",
     .doc = "Which paths, ports and sockets a service can reach; everything else is out of reach.",
     .plan = plan,
     .doctor = unveil::doctor});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
