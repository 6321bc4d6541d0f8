// chroot: what a service sees of the file system, and where it may write.
//
//   [jail.chroot]
//   mode = "host"                   # the host's tree, read-only (default); "directory"; "none"
//   root = "/srv/images/web"        # for mode "directory"
//   read_only = true                # of mode "directory"; default
//   binds = ["/srv/site:/var/www"]  # host path, and where the service sees it; "-/x": if it exists
//   binds_ro = ["/etc/ssl/web"]
//   tmpfs = ["/scratch:size=64M,mode=0755"]
//   masked = ["/etc/machine-id"]    # shown empty
//   hide = ["/home", "/root"]       # mode "host": shown empty where they exist; default; []: none
//   devices = ["/dev/fuse"]         # besides the harmless ones
//   proc = "invisible"              # others' processes: "invisible" (default), "none", "all"
//   tmp = true                      # own /tmp and /var/tmp; default
//   state_directory = ["web"]       # /var/lib/web, writable, kept; also cache_, logs_ and
//   runtime_directory = ["web"]     # runtime_directory (/run/web, new at each start)
//
// A /run of the service's own, holding /run/host/jailsvc, tells it that it is jailed, by what unit
// and profile. Sources: mount(2), mount_setattr(2), proc(5), tmpfs(5), systemd.exec(5) for the
// names and meanings of keys, systemd.io/CONTAINER_INTERFACE for /run/host. Runs wholly in the
// [plan] phase; keeps no state.

#include <algorithm>

#include <jailsvc_plugin.hpp>

namespace {

using jsv::key;
using jsv::Planner;
using Strings = std::vector<std::string>;

constexpr const char* kDefaultMode = "host";
constexpr const char* kDefaultProc = "invisible";

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "mode", kDefaultMode,
        "Root of the jail: the host's tree read-only, a directory, or no change.",
        "host|directory|none"),
    key(JSV_STRING, "root", nullptr, "Directory that becomes /, for mode \"directory\"."),
    key(JSV_BOOL, "read_only", "true", "Whether the root of mode \"directory\" is read-only."),
    key(JSV_STRING_LIST, "binds", nullptr, "Host paths to write to: \"SRC\" or \"SRC:DST\"."),
    key(JSV_STRING_LIST, "binds_ro", nullptr, "Host paths to read: \"SRC\" or \"SRC:DST\"."),
    key(JSV_STRING_LIST, "tmpfs", nullptr, "Empty writable trees: \"/path:size=64M,mode=0755\"."),
    key(JSV_STRING_LIST, "masked", nullptr, "Paths shown empty; \"-/path\": if it exists."),
    key(JSV_STRING_LIST, "hide", "[\"/home\", \"/root\"]",
        "Paths of the host shown empty where they exist, in mode \"host\"."),
    key(JSV_STRING_LIST, "devices", nullptr, "Devices besides null, zero, full, random, tty."),
    key(JSV_STRING, "proc", kDefaultProc,
        "Other users' processes in /proc: invisible, listed but closed, or all open.",
        "invisible|none|all"),
    key(JSV_BOOL, "tmp", "true", "Own /tmp and /var/tmp, gone when the service ends."),
    key(JSV_STRING_LIST, "state_directory", nullptr, "Kept directories, below /var/lib."),
    key(JSV_STRING_LIST, "cache_directory", nullptr, "Kept directories, below /var/cache."),
    key(JSV_STRING_LIST, "logs_directory", nullptr, "Kept directories, below /var/log."),
    key(JSV_STRING_LIST, "runtime_directory", nullptr,
        "Directories below /run, new at each start."),
};

// Nothing we mount brings set-user-ID programs or device nodes; /dev is the one exception.
constexpr std::uint32_t kSafe = JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV;
constexpr std::uint32_t kNoPrograms = kSafe | JSV_MOUNT_NOEXEC;
constexpr std::uint64_t kRunBytes = 16 << 20;   // sockets and pid files
constexpr std::uint64_t kTmpBytes = 256 << 20;  // each of /tmp and /var/tmp; takes memory when used
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

enum class Mode { kHost, kDirectory, kNone };

/// A mount from the host's tree into the jail's.
struct Bind {
    const char* key;
    std::string source;
    std::string target;
    std::uint32_t flags;
};

/// A new file system for the service alone.
struct Tmpfs {
    std::string path;
    std::uint64_t bytes = kTmpBytes;
    std::uint32_t mode = 0755;
};

// ---- paths ------------------------------------------------------------------------------------

/// Whether `path` is `folder` or lies in it.
bool is_within(std::string_view path, std::string_view folder) {
    if (folder == "/" || path == folder) return true;
    return path.starts_with(folder) && path[folder.size()] == '/';
}

/// No empty, "." or ".." component: what such a path means does not depend on what it passes.
bool is_plain(std::string_view path) {
    while (true) {
        const auto end = path.find('/');
        const std::string_view part = path.substr(0, end);
        if (part.empty() || part == "." || part == "..") return false;
        if (end == std::string_view::npos) return true;
        path.remove_prefix(end + 1);
    }
}

/// `text` without a trailing slash, if it is absolute and plain; else the unit is refused.
std::string absolute_path(Planner& plan, const char* name, std::string text) {
    if (text == "/") return text;
    if (text.ends_with('/')) text.pop_back();
    if (text.size() < 2 || text.front() != '/' || !is_plain(std::string_view(text).substr(1))) {
        plan.fail(name, "\"" + text +
                            "\" is no absolute path; write one that begins with / and "
                            "has no \"..\", \".\" or \"//\" in it");
    }
    return text;
}

Strings list_or(Planner& plan, const char* name, Strings fallback = {}) {
    return plan.list(name).value_or(std::move(fallback));
}

// ---- reading keys -----------------------------------------------------------------------------

std::optional<Mode> read_mode(Planner& plan) {
    const std::string mode = plan.text("mode").value_or(kDefaultMode);
    if (mode == "host") return Mode::kHost;
    if (mode == "directory") return Mode::kDirectory;
    if (mode == "none") return Mode::kNone;
    plan.fail("mode", "unknown mode \"" + mode + "\"; use \"host\", \"directory\" or \"none\"");
    return std::nullopt;
}

/// A key that the mode cannot honour is refused: passing over it would be a wall not built.
void refuse_keys_of_other_modes(Planner& plan, Mode mode) {
    if (mode != Mode::kDirectory && plan.text("root")) {
        plan.fail("root", "needs mode = \"directory\"");
    }
    if (mode == Mode::kDirectory && !list_or(plan, "hide").empty()) {
        plan.fail("hide", "is for mode = \"host\"; use masked");
    }
    if (mode == Mode::kHost && !plan.flag("read_only").value_or(true)) {
        plan.fail("read_only", "the host's tree is never writable; name what is in binds");
    }
    if (mode != Mode::kNone) return;
    for (const char* name : {"binds", "binds_ro", "tmpfs", "masked", "devices"}) {
        if (list_or(plan, name).empty()) continue;
        plan.fail(name, "has no effect with mode = \"none\"; use mode \"host\" or \"directory\"");
    }
}

/// Where a bind may not go: these are mounts of our own that the jail's walls rest upon.
void check_target(Planner& plan, const char* name, const std::string& target) {
    if (target == "/" || target == "/dev" || is_within(target, "/proc") || target == "/run" ||
        is_within(target, "/run/host")) {
        plan.fail(name, "\"" + target + "\" is the jail's own; choose another place");
    }
}

Bind parse_bind(Planner& plan, const char* name, std::string text, std::uint32_t flags) {
    if (text.starts_with('-')) {
        flags |= JSV_MOUNT_OPTIONAL;
        text.erase(0, 1);
    }
    const auto colon = text.find(':');
    std::string source = absolute_path(plan, name, text.substr(0, colon));
    std::string target = source;
    if (colon != std::string::npos) target = absolute_path(plan, name, text.substr(colon + 1));
    check_target(plan, name, target);
    return {name, std::move(source), std::move(target), flags};
}

/// One "size=64M" or "mode=0755" of a tmpfs.
void parse_tmpfs_option(Planner& plan, std::string_view option, Tmpfs& tmpfs) {
    const auto value = option.substr(std::min(option.find('=') + 1, option.size()));
    if (option.starts_with("size=")) {
        if (const auto bytes = jsv::parse_bytes(value); bytes && *bytes > 0) {
            tmpfs.bytes = *bytes;
            return;
        }
    } else if (option.starts_with("mode=")) {
        if (const auto mode = jsv::parse_mode(value); mode && *mode <= 01777) {
            tmpfs.mode = *mode;
            return;
        }
    }
    plan.fail("tmpfs", "\"" + std::string(option) + "\" is no option; write size=64M or mode=0755");
}

Tmpfs parse_tmpfs(Planner& plan, const std::string& text) {
    const auto colon = text.find(':');
    Tmpfs tmpfs{.path = absolute_path(plan, "tmpfs", text.substr(0, colon))};
    check_target(plan, "tmpfs", tmpfs.path);
    if (colon == std::string::npos) return tmpfs;
    std::string_view options = std::string_view(text).substr(colon + 1);
    while (true) {
        const auto comma = options.find(',');
        parse_tmpfs_option(plan, options.substr(0, comma), tmpfs);
        if (comma == std::string_view::npos) return tmpfs;
        options.remove_prefix(comma + 1);
    }
}

// ---- state, cache, logs and runtime directories -----------------------------------------------

struct DirectoryKind {
    const char* key;
    const char* what;         // to jsv_host.directory_root
    const char* environment;  // as systemd.exec(5) names it
    const char* image_root;   // where the service finds it in mode "directory"
    std::uint32_t flags;
};
constexpr DirectoryKind kDirectoryKinds[] = {
    {"cache_directory", "cache", "CACHE_DIRECTORY", "/var/cache", 0},
    {"logs_directory", "logs", "LOGS_DIRECTORY", "/var/log", 0},
    {"runtime_directory", "runtime", "RUNTIME_DIRECTORY", "/run", JSV_DIR_RECREATE},
    {"state_directory", "state", "STATE_DIRECTORY", "/var/lib", 0},
};

/// Makes the directories of one kind, names them in the environment, and returns their binds.
std::vector<Bind> add_directories(Planner& plan, const DirectoryKind& kind, Mode mode) {
    std::vector<Bind> binds;
    std::string value;
    const std::string host_root = plan.directory_root(kind.what);
    const std::string jail_root = mode == Mode::kDirectory ? kind.image_root : host_root;
    for (const auto& name : list_or(plan, kind.key)) {
        // A colon separates the paths of the variable.
        if (!is_plain(name) || name.find(':') != std::string::npos) {
            plan.fail(kind.key, "\"" + name +
                                    "\" is no name; write a relative path without "
                                    "\"..\" or \":\", such as \"" +
                                    plan.unit_name() + "\"");
        }
        const std::string host = host_root + "/" + name;
        plan.add({.kind = JSV_OP_HOST_DIRECTORY,
                  .key = kind.key,
                  .text = {host},
                  .number = {0700},
                  .flags = kind.flags});
        binds.push_back({kind.key, host, jail_root + "/" + name, kSafe});
        value += (value.empty() ? "" : ":") + binds.back().target;
    }
    if (!value.empty()) {
        plan.add({.kind = JSV_OP_ENVIRONMENT, .key = kind.key, .text = {kind.environment, value}});
    }
    return binds;
}

std::vector<Bind> add_all_directories(Planner& plan, Mode mode) {
    std::vector<Bind> binds;
    for (const auto& kind : kDirectoryKinds) {
        const auto more = add_directories(plan, kind, mode);
        binds.insert(binds.end(), more.begin(), more.end());
    }
    return binds;
}

// ---- the tree ---------------------------------------------------------------------------------

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
    const std::string root = absolute_path(plan, "root", plan.text("root").value_or(""));
    if (root == "/") plan.fail("root", "is the host's; use mode = \"host\"");
    return root;
}

void add_root(Planner& plan, Mode mode) {
    const std::string root = mode == Mode::kDirectory ? read_root(plan) : "/";
    const bool read_only = plan.flag("read_only").value_or(true);
    plan.add({.kind = JSV_OP_ROOT,
              .key = "root",
              .text = {root},
              .flags = kSafe | (read_only ? JSV_MOUNT_READ_ONLY : 0u)});
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

void add_devices(Planner& plan) {
    plan.add({.kind = JSV_OP_DEV, .key = "devices", .text = {"/dev"}});
    for (const auto& text : list_or(plan, "devices")) {
        const std::string path = absolute_path(plan, "devices", text);
        if (!is_within(path, "/dev") || path == "/dev") {
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

/// Writable trees of the service's own: /run, /tmp, /var/tmp and what the unit lists.
std::vector<Tmpfs> read_tmpfs(Planner& plan) {
    std::vector<Tmpfs> all;
    for (const auto& text : list_or(plan, "tmpfs")) all.push_back(parse_tmpfs(plan, text));
    if (!plan.flag("tmp").value_or(true)) return all;
    for (const char* path : {"/tmp", "/var/tmp"}) {
        if (std::ranges::find(all, path, &Tmpfs::path) == all.end()) {
            all.push_back({path, kTmpBytes, 01777});
        }
    }
    std::ranges::sort(all, {}, &Tmpfs::path);  // outer ones first
    return all;
}

std::vector<Bind> read_binds(Planner& plan, Mode mode) {
    std::vector<Bind> binds = add_all_directories(plan, mode);
    for (const auto& text : list_or(plan, "binds")) {
        binds.push_back(parse_bind(plan, "binds", text, kSafe));
    }
    for (const auto& text : list_or(plan, "binds_ro")) {
        binds.push_back(parse_bind(plan, "binds_ro", text, kSafe | JSV_MOUNT_READ_ONLY));
    }
    std::ranges::stable_sort(binds, {}, &Bind::target);  // outer ones first
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
    if (!plan.other_flag("namespaces", "net").value_or(false)) return;
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

/// The order is that of covering: the root, what is the jail's own, what the unit shows, and over
/// all of it what must stay hidden.
void add_tree(Planner& plan, Mode mode) {
    const std::vector<Bind> binds = read_binds(plan, mode);
    const std::vector<Tmpfs> trees = read_tmpfs(plan);
    const Strings hidden = mode == Mode::kHost ? read_hidden(plan) : Strings{};
    MountPoints points{mode, {"/run", "/dev"}};
    for (const auto& tree : trees) points.fresh.push_back(tree.path);
    points.fresh.insert(points.fresh.end(), hidden.begin(), hidden.end());

    add_root(plan, mode);
    add_proc(plan, points);
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

int plan(const jsv_host* host) {
    Planner planner(host);
    const auto mode = read_mode(planner);
    if (!mode) return planner.result();
    refuse_keys_of_other_modes(planner, *mode);
    if (*mode == Mode::kNone) {
        (void)add_all_directories(planner, *mode);
        return planner.result();
    }
    if (!planner.other_flag("namespaces", "mount").value_or(false)) {
        planner.fail("mode",
                     "needs a mount table of the service's own; add mount = true to "
                     "[jail.namespaces], or say mode = \"none\" if you mean it");
    }
    add_tree(planner, *mode);
    return planner.result();
}

constexpr jsv_plugin kPlugin = {
    .size = sizeof(jsv_plugin),
    .abi_major = JSV_ABI_MAJOR,
    .abi_minor = JSV_ABI_MINOR,
    .key_count = std::size(kKeys),
    .name = "chroot",
    .version = "1.0",
    .doc = "What the service sees of the file system, and where it may write.",
    .keys = kKeys,
    .plan = plan,
    .prepare = nullptr,
    .started = nullptr,
    .stats = nullptr,
    .doctor = nullptr,
    .teardown = nullptr,
};

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
