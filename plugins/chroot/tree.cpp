#include "tree.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "directories.hpp"
#include "paths.hpp"

namespace jailsvc::chroot {

namespace {

using jsv::Planner;

constexpr std::uint64_t kRunBytes = 16 << 20;     // sockets and pid files
constexpr std::uint64_t kHiddenBytes = 64 << 10;  // mount points only

/// Shown empty: they tell of or steer the machine, not the service (proc(5), sysfs(5)). Which of
/// them exist depends on the kernel's configuration.
constexpr const char* kMaskedProc[] = {
    "/proc/acpi",       "/proc/asound",        "/proc/kcore",       "/proc/key-users",
    "/proc/keys",       "/proc/kmsg",          "/proc/kpagecgroup", "/proc/kpagecount",
    "/proc/kpageflags", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
    "/proc/slabinfo",   "/proc/sysrq-trigger", "/proc/timer_list",  "/proc/vmallocinfo",
};
constexpr const char* kMaskedSys[] = {
    "/sys/firmware",     "/sys/devices/virtual/powercap", "/sys/fs/bpf", "/sys/fs/pstore",
    "/sys/kernel/debug", "/sys/kernel/tracing",
};
/// The host's interfaces, which are not those of a network namespace of its own: /sys keeps showing
/// the namespace it was mounted in (sysfs(5)).
constexpr const char* kMaskedNet[] = {"/sys/class/net", "/sys/devices/virtual/net"};
constexpr const char* kReadOnlyProc[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"};

/// What the jail's /etc/resolv.conf often is a link to; without it names do not resolve.
constexpr const char* kResolver[] = {
    "/run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/resolv.conf",
    "/run/resolvconf/resolv.conf", "/run/NetworkManager/resolv.conf"};

/// Where missing mount points may be made. In the host's tree that is below a tmpfs of the jail's
/// own and nowhere else; an image gets what it lacks, as with systemd's RootDirectory=.
struct MountPoints {
    Mode mode;
    Strings fresh;  // tmpfs of the jail's own

    [[nodiscard]] std::uint32_t flags_for(const std::string& path) const {
        if (mode == Mode::kDirectory) return JSV_MOUNT_CREATE;
        const bool inside = std::ranges::any_of(
            fresh, [&path](const auto& tree) { return path != tree && is_within(path, tree); });
        return inside ? JSV_MOUNT_CREATE : 0;
    }
};

void add_tmpfs(Planner& plan, const char* name, const Tmpfs& tmpfs, std::uint32_t flags) {
    plan.add({.kind = JSV_OP_TMPFS,
              .key = name,
              .text = {tmpfs.path},
              .number = {tmpfs.bytes, tmpfs.mode},
              .flags = flags});
}

void add_mask(Planner& plan, const char* name, const std::string& path, std::uint32_t flags) {
    plan.add({.kind = JSV_OP_MASK, .key = name, .text = {path}, .flags = flags});
}

std::string read_root(Planner& plan) {
    const auto written = plan.text("root");
    if (!written) {
        plan.fail("root",
                  "is needed by mode = \"directory\", which the unit or its profile asks for; "
                  "name the directory in the unit's [jail.chroot]");
        return {};
    }
    const std::string root = absolute_path(plan, "root", *written);
    if (root == "/") plan.fail("root", "is the host's; use mode = \"host\"");
    return root;
}

void add_root(Planner& plan, Mode mode) {
    const std::string root = mode == Mode::kDirectory ? read_root(plan) : "/";
    const bool read_only = plan.flag("read_only").value_or(true);
    plan.add({.kind = JSV_OP_ROOT,
              .key = "root",
              .text = {root},
              .flags = kSafe | (read_only ? JSV_MOUNT_READ_ONLY : 0u) |
                       (mode == Mode::kDirectory ? id_mapping(plan) : 0u)});
}

void add_proc(Planner& plan, const MountPoints& points) {
    const std::string who = plan.text("proc").value_or(kDefaultProc);
    constexpr std::pair<std::string_view, std::uint64_t> kHidepid[] = {
        {"all", 0}, {"none", 1}, {"invisible", 2}};  // proc(5), hidepid
    const auto* found = std::ranges::find(kHidepid, who, [](const auto& row) { return row.first; });
    if (found == std::end(kHidepid)) {
        return plan.fail("proc", "unknown value \"" + who +
                                     "\"; use \"invisible\", \"none\" or "
                                     "\"all\"");
    }
    plan.add({.kind = JSV_OP_PROC,
              .key = "proc",
              .text = {"/proc"},
              .number = {found->second},
              .flags = kNoPrograms | points.flags_for("/proc")});
}

/// Whether the jail's network is its own, so that the host's interfaces are none of its business.
bool has_own_network(Planner& plan) {
    if (plan.other_flag("namespaces", "net").value_or(false)) return true;
    return plan.other_text("network", "mode").value_or("host") != "host";
}

/// With a network of its own the jail gets a /sys that shows it, and no mount of the host's in
/// there but the control groups'. A user namespace may not mount one: there the host's interfaces
/// are masked.
bool has_own_sysfs(Planner& plan, Mode mode) {
    return mode == Mode::kHost && has_own_network(plan) && id_mapping(plan) == 0;
}

void add_sysfs(Planner& plan) {
    constexpr std::uint32_t kFlags = kNoPrograms | JSV_MOUNT_READ_ONLY;
    constexpr const char* kGroups = "/sys/fs/cgroup";
    plan.add({.kind = JSV_OP_SYSFS, .key = "mode", .text = {"/sys"}, .flags = kFlags});
    plan.add({.kind = JSV_OP_BIND,
              .key = "mode",
              .text = {kGroups, kGroups},
              .flags = kFlags | JSV_MOUNT_OPTIONAL});
}

void add_devices(Planner& plan) {
    plan.add({.kind = JSV_OP_DEV, .key = "devices", .text = {"/dev"}});
    for (const auto& text : list_or(plan, "devices")) {
        const std::string path = absolute_path(plan, "devices", text);
        const bool outside = !is_within(path, "/dev") || path == "/dev";
        if (path.starts_with('/') && outside) {
            plan.fail("devices", "\"" + path + "\" is not below /dev; name a device there");
        }
        plan.add({.kind = JSV_OP_DEVICE, .key = "devices", .text = {path}});
    }
}

/// Hides a tree of the host: masked, or, where the unit mounts something inside, replaced by an
/// empty tmpfs that can hold the mount points.
void add_hidden(Planner& plan, const char* name, const std::string& path,
                const std::vector<Bind>& binds) {
    const bool holds_mounts = std::ranges::any_of(binds, [&](const Bind& bind) {
        return bind.target != path && is_within(bind.target, path);
    });
    if (!holds_mounts) return add_mask(plan, name, path, JSV_MOUNT_OPTIONAL);
    add_tmpfs(plan, name, {path, kHiddenBytes, 0755}, kNoPrograms);
}

/// A private directory of the supervisor is reachable in the jail wherever a tree that holds it is
/// shown: mask it there. Showing only it, or something in it, is refused.
void hide_private(Planner& plan, const char* name, const std::string& source,
                  const std::string& target) {
    for (const auto& secret : plan.private_directories()) {
        if (is_within(source, secret)) {
            plan.fail(name, "\"" + source +
                                "\" is the supervisor's own, which no jail may see; "
                                "keep what the service needs elsewhere");
        }
        if (!is_within(secret, source)) continue;
        const std::string rest = source == "/" ? secret : secret.substr(source.size());
        add_mask(plan, name, (target == "/" ? "" : target) + rest, JSV_MOUNT_OPTIONAL);
    }
}

/// Everything shown at a place of its own, outer ones first.
std::vector<Bind> all_binds(Planner& plan, Mode mode) {
    std::vector<Bind> binds = add_directories(plan, mode);
    std::ranges::move(read_binds(plan), std::back_inserter(binds));
    std::ranges::stable_sort(binds, {}, &Bind::target);
    return binds;
}

void add_binds(Planner& plan, const std::vector<Bind>& binds, const MountPoints& points) {
    for (const auto& bind : binds) {
        plan.add({.kind = JSV_OP_BIND,
                  .key = bind.key,
                  .text = {bind.source, bind.target},
                  .flags = bind.flags | points.flags_for(bind.target)});
    }
}

void add_kernel_masks(Planner& plan, Mode mode) {
    for (const char* path : kMaskedProc) add_mask(plan, "proc", path, JSV_MOUNT_OPTIONAL);
    for (const char* path : kReadOnlyProc) {
        plan.add(
            {.kind = JSV_OP_READ_ONLY, .key = "proc", .text = {path}, .flags = JSV_MOUNT_OPTIONAL});
    }
    if (mode != Mode::kHost) return;  // an image shows no sysfs
    for (const char* path : kMaskedSys) add_mask(plan, "proc", path, JSV_MOUNT_OPTIONAL);
    if (!has_own_network(plan) || has_own_sysfs(plan, mode)) return;
    for (const char* path : kMaskedNet) add_mask(plan, "proc", path, JSV_MOUNT_OPTIONAL);
}

void add_masked(Planner& plan) {
    for (auto text : list_or(plan, "masked")) {
        const bool optional = text.starts_with('-');
        if (optional) text.erase(0, 1);
        const std::string path = absolute_path(plan, "masked", text);
        if (path == "/") plan.fail("masked", "\"/\" would leave nothing; name what to hide");
        add_mask(plan, "masked", path, optional ? JSV_MOUNT_OPTIONAL : 0u);
    }
}

/// The service's proof that it is jailed, and by what unit.
void add_notice(Planner& plan) {
    plan.add(
        {.kind = JSV_OP_FILE, .key = "mode", .text = {"/run/host/container-manager", "jailsvc\n"}});
    plan.add({.kind = JSV_OP_FILE,
              .key = "mode",
              .text = {"/run/host/jailsvc",
                       "unit=" + plan.unit_name() + "\nprofile=" + plan.profile_name() + "\n"}});
}

Strings read_hidden(Planner& plan) {
    Strings hidden;
    for (const auto& path : list_or(plan, "hide", {"/home", "/root"})) {
        hidden.push_back(absolute_path(plan, "hide", path));
    }
    hidden.emplace_back("/boot");
    return hidden;
}

void add_resolver(Planner& plan) {
    for (const char* path : kResolver) {
        plan.add(
            {.kind = JSV_OP_BIND,
             .key = "mode",
             .text = {path, path},
             .flags = kNoPrograms | JSV_MOUNT_READ_ONLY | JSV_MOUNT_CREATE | JSV_MOUNT_OPTIONAL});
    }
}

}  // namespace

/// The order is that of covering: the root, what is the jail's own, what the unit shows, and over
/// all of it what must stay hidden.
void add_tree(Planner& plan, Mode mode) {
    const std::vector<Bind> binds = all_binds(plan, mode);
    const std::vector<Tmpfs> trees = read_tmpfs(plan);
    const Strings hidden = mode == Mode::kHost ? read_hidden(plan) : Strings{};
    MountPoints points{mode, {"/run", "/dev"}};
    for (const auto& tree : trees) points.fresh.push_back(tree.path);
    points.fresh.insert(points.fresh.end(), hidden.begin(), hidden.end());

    add_root(plan, mode);
    add_proc(plan, points);
    if (has_own_sysfs(plan, mode)) add_sysfs(plan);
    add_devices(plan);
    add_tmpfs(plan, "mode", {"/run", kRunBytes, 0755}, kNoPrograms | points.flags_for("/run"));
    for (const auto& path : hidden) add_hidden(plan, "hide", path, binds);
    for (const auto& tree : trees) {
        add_tmpfs(plan, "tmpfs", tree, kSafe | points.flags_for(tree.path));
    }
    if (mode == Mode::kHost) add_resolver(plan);
    add_binds(plan, binds, points);
    add_kernel_masks(plan, mode);
    if (mode == Mode::kHost) hide_private(plan, "mode", "/", "/");
    if (mode == Mode::kDirectory) hide_private(plan, "root", read_root(plan), "/");
    for (const auto& bind : binds) hide_private(plan, bind.key, bind.source, bind.target);
    add_masked(plan);
    add_notice(plan);
}

}  // namespace jailsvc::chroot
