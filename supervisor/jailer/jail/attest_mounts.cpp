#include "jailer/jail/attest_mounts.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"
#include "jailer/jail/attest_credentials.hpp"
#include "jailer/jail/attest_view.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/namespaces.hpp"
#include "jailer/net/shown_interfaces.hpp"

namespace jailsvc::jailer {
namespace {

using Verdict = std::optional<JailFailure>;  ///< nullopt: it holds

/// A mount that an operation made.
struct Declared {
    std::uint64_t mount;
    std::string point;
    bool writable;
};

/// The state of one attest.
struct Attest {
    const Plan& plan;
    const JailView& view;
    const ResolvedIds& ids;
    std::vector<Declared> declared;
    std::vector<struct statx> empty;  ///< directories that were found so
};

Jailed<struct statx> stat_of(std::uint32_t op, int dir, const char* path, int flags) {
    struct statx status{};
    if (::statx(dir, path, flags, STATX_BASIC_STATS | STATX_MNT_ID, &status) == -1) {
        return std::unexpected(failed(op, path, errno));
    }
    return status;
}

bool same_file(const struct statx& a, const struct statx& b) {
    return a.stx_ino == b.stx_ino && a.stx_dev_major == b.stx_dev_major &&
           a.stx_dev_minor == b.stx_dev_minor;
}

bool is_mount_root(const Place& place) {
    return (place.status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

std::string where(const Place& place) {
    return place.mount == nullptr ? "no mount of the jail"
                                  : fmt::format("{} {} at {}", place.mount->type,
                                                place.mount->options, place.mount->point);
}

/// "read-only" and the like, for those that are asked for and missing.
Verdict check_flags(std::uint32_t index, const Op& op, const Place& place, std::uint32_t wanted) {
    static constexpr std::pair<std::uint32_t, const char*> kNames[] = {
        {JSV_MOUNT_READ_ONLY, "ro"},
        {JSV_MOUNT_NOSUID, "nosuid"},
        {JSV_MOUNT_NODEV, "nodev"},
        {JSV_MOUNT_NOEXEC, "noexec"}};
    for (const auto& [flag, name] : kNames) {
        if ((wanted & flag) == 0 || MountEntry::has_option(place.mount->options, name)) continue;
        return not_held(index, fmt::format("{}: mounted {}, not {}",
                                           op.kind == JSV_OP_BIND ? op.text[1] : op.text[0],
                                           place.mount->options, name));
    }
    return std::nullopt;
}

/// A file system of our own at exactly this place.
Verdict check_own(std::uint32_t index, const std::string& path, const Place& place,
                  std::string_view type) {
    if (!is_mount_root(place) || place.mount->type != type) {
        return not_held(index, fmt::format("{}: is {}, not a {} of the jail's", path,
                                           is_mount_root(place) ? where(place) : "no mount", type));
    }
    if (type == "tmpfs" && place.mount->source != "jailsvc") {
        return not_held(
            index, fmt::format("{}: a tmpfs of \"{}\", not of jailsvc", path, place.mount->source));
    }
    return std::nullopt;
}

Verdict check_same(std::uint32_t index, const Op& op, const std::string& target,
                   const Place& place) {
    const auto source = stat_of(index, AT_FDCWD, op.text[0].c_str(), 0);
    if (!source) return source.error();
    if (!same_file(*source, place.status)) {
        return not_held(index,
                        fmt::format("{}: is {}, not {} (inode {}, not {})", target, where(place),
                                    op.text[0], place.status.stx_ino, source->stx_ino));
    }
    if (is_mount_root(place)) return std::nullopt;
    return not_held(index, fmt::format("{}: no mount of its own", target));
}

/// Whom it belongs to as the host counts, seen by the jail's own mount.
Verdict check_owner(std::uint32_t index, const std::string& path, const Place& place,
                    std::optional<uid_t> uid, std::optional<gid_t> gid) {
    if (uid == place.status.stx_uid && gid == place.status.stx_gid) return std::nullopt;
    return not_held(index,
                    fmt::format("{}: belongs to {}:{}, not {}:{}", path, place.status.stx_uid,
                                place.status.stx_gid, uid.value_or(~0U), gid.value_or(~0U)));
}

bool is_mapped(const Attest& attest, const Op& op) {
    const auto map = std::ranges::find(attest.plan.ops, JSV_OP_ID_MAP, &Op::kind);
    return (op.flags & JSV_MOUNT_IDMAP) != 0 && map != attest.plan.ops.end() &&
           (map->flags & JSV_ID_MAP_OWN) != 0;
}

Verdict check_bind(std::uint32_t index, const Op& op, const Place& place, const Attest& attest) {
    if (auto verdict = check_same(index, op, op.text[1], place)) return verdict;
    if (is_mapped(attest, op)) {
        const auto uid = host_uid(attest.plan, attest.ids, attest.ids.uid);
        const auto gid = host_gid(attest.plan, attest.ids, attest.ids.gid);
        if (auto verdict = check_owner(index, op.text[1], place, uid, gid)) return verdict;
    }
    return check_flags(index, op, place, op.flags);
}

Verdict check_tmpfs(std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    constexpr std::uint64_t kPage = 4096;
    const std::string size =
        MountEntry::option_value(place.mount->super_options, "size").value_or("the default");
    const std::uint64_t pages = (op.number[0] + kPage - 1) / kPage;
    const std::string wanted = fmt::format("{}k", pages * kPage / 1024);
    if (op.number[0] != 0 && size != wanted) {
        return not_held(index, fmt::format("{}: size is {}, not {}", op.text[0], size, wanted));
    }
    const auto mode = static_cast<unsigned>(place.status.stx_mode & 07777U);
    if (mode != (op.number[1] & 07777U)) {
        return not_held(index,
                        fmt::format("{}: mode is {:o}, not {:o}", op.text[0], mode, op.number[1]));
    }
    return check_flags(index, op, place, op.flags);
}

/// hidepid has names since Linux 5.8, and is not shown when 0.
bool hides(const MountEntry& mount, std::uint64_t wanted) {
    static constexpr const char* kNames[] = {"off", "noaccess", "invisible"};
    const auto shown = MountEntry::option_value(mount.super_options, "hidepid");
    if (!shown) return wanted == 0;
    return wanted < std::size(kNames) &&
           (*shown == kNames[wanted] || *shown == std::to_string(wanted));
}

Verdict check_proc(std::uint32_t index, const Op& op, const Place& place, const Attest& attest) {
    if (auto verdict = check_own(index, op.text[0], place, "proc")) return verdict;
    if (!hides(*place.mount, op.number[0])) {
        return not_held(index, fmt::format("{}: {}, not hidepid={}", op.text[0],
                                           place.mount->super_options, op.number[0]));
    }
    if ((attest.plan.namespace_flags() & CLONE_NEWPID) != 0) {
        // Whose processes it shows: its process 1 must be in the stub's pid namespace.
        struct stat shown{}, own{};
        const std::string stub = fmt::format("/proc/{}/ns/pid", attest.view.stub());
        if (::fstatat(place.fd.get(), "1/ns/pid", &shown, 0) == -1 ||
            ::stat(stub.c_str(), &own) == -1) {
            return failed(index, op.text[0] + "/1/ns/pid", errno);
        }
        if (shown.st_ino != own.st_ino) {
            return not_held(index, fmt::format("{}: shows pid namespace {}, not {}", op.text[0],
                                               shown.st_ino, own.st_ino));
        }
    }
    return check_flags(index, op, place, op.flags);
}

/// There is one sysfs for each network namespace (sysfs_init_fs_context in the kernel).
Jailed<bool> is_hosts_sysfs(std::uint32_t index, const Place& place, pid_t stub) {
    const auto ours = namespace_id(index, ::getpid(), "net");
    if (!ours) return std::unexpected(ours.error());
    const auto theirs = namespace_id(index, stub, "net");
    if (!theirs) return std::unexpected(theirs.error());
    if (*ours == *theirs) return false;
    const auto host = stat_of(index, AT_FDCWD, "/sys", 0);
    if (!host && host.error().code == ENOENT) return false;
    if (!host) return std::unexpected(host.error());
    return same_file(*host, place.status);
}

/// Whose interfaces it shows: those of the jail's network.
Verdict check_sysfs(std::uint32_t index, const Op& op, const Place& place, const Attest& attest) {
    if (auto verdict = check_own(index, op.text[0], place, "sysfs")) return verdict;
    const auto hosts = is_hosts_sysfs(index, place, attest.view.stub());
    if (!hosts) return hosts.error();
    if (*hosts) {
        return not_held(index, op.text[0] + ": is the host's, not one of the jail's network");
    }
    const auto shown = list_shown_interfaces(place.fd.get());
    const auto own = list_interfaces_of(attest.view.stub());
    if (!shown || !own) {
        return failed(index, op.text[0] + "/class/net", (shown ? own : shown).error().code);
    }
    if (*shown != *own) {
        return not_held(index, fmt::format("{}: shows the interfaces {}, not {}", op.text[0],
                                           fmt::join(*shown, " "), fmt::join(*own, " ")));
    }
    return check_flags(index, op, place, op.flags);
}

Verdict check_dev(std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    static constexpr struct {
        const char* name;
        unsigned major, minor;
    } kNodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                  {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    for (const auto& node : kNodes) {
        const auto status = stat_of(index, place.fd.get(), node.name, AT_SYMLINK_NOFOLLOW);
        if (!status) return status.error();
        if (!S_ISCHR(status->stx_mode) || status->stx_rdev_major != node.major ||
            status->stx_rdev_minor != node.minor) {
            return not_held(index, fmt::format("{}/{}: is device {}:{}, not {}:{}", op.text[0],
                                               node.name, status->stx_rdev_major,
                                               status->stx_rdev_minor, node.major, node.minor));
        }
    }
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NOEXEC);
}

/// Without opendir(3), which takes twice the calls: a jail has many masks.
Result<bool> is_empty_directory(int dir) {
    const Fd again(::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again) return fail_errno("open");
    alignas(dirent64) char buffer[512];
    int names = 0;
    ssize_t count = 0;
    while (names <= 2 && (count = ::getdents64(again.get(), buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < count; ++names) {
            at += reinterpret_cast<const dirent64*>(buffer + at)->d_reclen;
        }
    }
    if (count < 0) return fail_errno("getdents64");
    return count == 0 && names == 2;  // "." and ".."
}

/// Most masks are mounts of one and the same directory.
Result<bool> is_empty(Attest& attest, const Place& place) {
    if (!S_ISDIR(place.status.stx_mode)) return place.status.stx_size == 0;
    const auto is_this = [&](const struct statx& seen) { return same_file(seen, place.status); };
    if (std::ranges::any_of(attest.empty, is_this)) return true;
    auto empty = is_empty_directory(place.fd.get());
    if (empty && *empty) attest.empty.push_back(place.status);
    return empty;
}

Verdict check_mask(Attest& attest, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    const auto empty = is_empty(attest, place);
    if (!empty) return failed(index, op.text[0], empty.error().code);
    if (!*empty) return not_held(index, fmt::format("{}: is not empty", op.text[0]));
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY);
}

Result<std::string> content_of(const Place& place) {
    // An O_PATH descriptor is opened anew, for reading, through its own magic link.
    return sys::read_file(fmt::format("/proc/self/fd/{}", place.fd.get()));
}

Verdict check_file(std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    if (!S_ISREG(place.status.stx_mode)) {
        return not_held(index, fmt::format("{}: is no regular file", op.text[0]));
    }
    const auto content = content_of(place);
    if (!content) return failed(index, op.text[0], content.error().code);
    if (*content != op.text[1]) {
        return not_held(index, fmt::format("{}: has another content", op.text[0]));
    }
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY);
}

Verdict check_read_only(std::uint32_t index, const Op& op, const Place& place) {
    if (is_mount_root(place)) return check_flags(index, op, place, JSV_MOUNT_READ_ONLY);
    return not_held(index, fmt::format("{}: no mount of its own", op.text[0]));
}

/// A device on a read-only mount can be written all the same; its inode cannot be changed.
Verdict check_device(std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_same(index, op, op.text[0], place)) return verdict;
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NOEXEC);
}

Verdict check_root(std::uint32_t index, const Op& op, const Place& place, const Attest& attest) {
    if (auto verdict = check_same(index, op, "/", place)) return verdict;
    if (is_mapped(attest, op)) {
        const std::uint32_t first = attest.ids.range;
        if (auto verdict = check_owner(index, "/", place, first, first)) return verdict;
    }
    return check_flags(index, op, place, op.flags);
}

/// Where an operation is to be found; empty for those that mount nothing.
std::string place_of(const Op& op) {
    if (op.kind == JSV_OP_ROOT) return "/";
    if (op.kind == JSV_OP_BIND) return op.text[1];
    const bool mounts =
        op.kind == JSV_OP_TMPFS || op.kind == JSV_OP_PROC || op.kind == JSV_OP_DEV ||
        op.kind == JSV_OP_DEVICE || op.kind == JSV_OP_MASK || op.kind == JSV_OP_READ_ONLY ||
        op.kind == JSV_OP_FILE || op.kind == JSV_OP_CREDENTIALS || op.kind == JSV_OP_SYSFS;
    return mounts ? op.text[0] : std::string();
}

bool is_writable(const Op& op) {
    const bool by_flag = op.kind == JSV_OP_ROOT || op.kind == JSV_OP_BIND ||
                         op.kind == JSV_OP_TMPFS || op.kind == JSV_OP_PROC ||
                         op.kind == JSV_OP_SYSFS;
    return by_flag && (op.flags & JSV_MOUNT_READ_ONLY) == 0;
}

Verdict check_op(Attest& attest, std::uint32_t index, const Op& op, const Place& place) {
    switch (op.kind) {
        case JSV_OP_ROOT:
            return check_root(index, op, place, attest);
        case JSV_OP_BIND:
            return check_bind(index, op, place, attest);
        case JSV_OP_TMPFS:
            return check_tmpfs(index, op, place);
        case JSV_OP_PROC:
            return check_proc(index, op, place, attest);
        case JSV_OP_SYSFS:
            return check_sysfs(index, op, place, attest);
        case JSV_OP_DEV:
            return check_dev(index, op, place);
        case JSV_OP_DEVICE:
            return check_device(index, op, place);
        case JSV_OP_MASK:
            return check_mask(attest, index, op, place);
        case JSV_OP_READ_ONLY:
            return check_read_only(index, op, place);
        case JSV_OP_FILE:
            return check_file(index, op, place);
        case JSV_OP_CREDENTIALS:
            return attest_credentials(attest.plan, index, place, attest.ids);
        // By whoever is inside: the uts namespace and sysctls answer for the reader's own.
        case JSV_OP_HOSTNAME:
        case JSV_OP_SYSCTL:
        // In attest_credentials.
        case JSV_OP_CREDENTIAL:
        // In attest_view.
        case JSV_OP_VIEW:
        case JSV_OP_REVEAL:
        case JSV_OP_HOST_DIRECTORY:
        case JSV_OP_CGROUP:
        case JSV_OP_PRESSURE:
        case JSV_OP_DEVICES:
        case JSV_OP_NAMESPACE:
        case JSV_OP_ID_MAP:
        case JSV_OP_NETWORK:
        case JSV_OP_NETWORK_JOIN:
        case JSV_OP_NET_EDGE:
        case JSV_OP_NET_FORWARD:
        case JSV_OP_EGRESS:
        case JSV_OP_RLIMIT:
        case JSV_OP_NICE:
        case JSV_OP_OOM_SCORE:
        case JSV_OP_UMASK:
        case JSV_OP_CHDIR:
        case JSV_OP_ENVIRONMENT:
        case JSV_OP_SESSION:
        case JSV_OP_IDS:
        case JSV_OP_CAPABILITIES:
        case JSV_OP_SECUREBITS:
        case JSV_OP_NO_NEW_PRIVS:
        case JSV_OP_LANDLOCK:
        case JSV_OP_LANDLOCK_PATH:
        case JSV_OP_LANDLOCK_PORT:
        case JSV_OP_SECCOMP:
        case JSV_OP_SECCOMP_MAIN:
            return std::nullopt;
    }
    return not_held(index, "unknown kind");
}

/// An operation that may find nothing to do: the source on the host, or the target, is not there.
bool may_be_absent(const Op& op, const Place& place) {
    if ((op.flags & JSV_MOUNT_OPTIONAL) == 0) return false;
    if (!place.fd) return true;
    const bool has_source = op.kind == JSV_OP_BIND || op.kind == JSV_OP_DEVICE;
    return has_source && ::access(op.text[0].c_str(), F_OK) == -1 &&
           (errno == ENOENT || errno == ENOTDIR);
}

/// The two writable mounts inside a /dev of ours.
Verdict attest_below_dev(Attest& attest, std::uint32_t index, const std::string& dev) {
    static constexpr std::pair<const char*, const char*> kBelow[] = {{"/shm", "tmpfs"},
                                                                     {"/pts", "devpts"}};
    for (const auto& [name, type] : kBelow) {
        const auto place = attest.view.find(index, dev + name);
        if (!place) return place.error();
        if (place->mount == nullptr) return not_held(index, dev + name + ": not there");
        if (auto verdict = check_own(index, dev + name, *place, type)) return verdict;
        attest.declared.push_back({place->mount->id, place->mount->point, true});
    }
    return std::nullopt;
}

Verdict attest_op(Attest& attest, std::uint32_t index) {
    const Op& op = attest.plan.ops[index];
    const std::string path = place_of(op);
    if (path.empty()) return std::nullopt;
    auto place = attest.view.find(index, path);
    if (!place) return place.error();
    if (is_hidden_by_view(attest.plan, attest.view, *place)) return std::nullopt;
    if (may_be_absent(op, *place)) return std::nullopt;
    if (!place->fd) return not_held(index, path + ": not there");
    if (place->mount == nullptr) return not_held(index, path + ": " + where(*place));
    if (auto verdict = check_op(attest, index, op, *place)) return verdict;
    attest.declared.push_back({place->mount->id, place->mount->point, is_writable(op)});
    return op.kind == JSV_OP_DEV ? attest_below_dev(attest, index, path) : std::nullopt;
}

/// Every tree that the plan's operations make, those inside a /dev of ours too.
std::vector<MadeTree> made_trees(const Plan& plan) {
    std::vector<MadeTree> trees;
    for (const Op& op : plan.ops) {
        if (const std::string path = place_of(op); !path.empty()) {
            trees.push_back({path, is_writable(op)});
        }
        if (op.kind != JSV_OP_DEV) continue;
        trees.push_back({op.text[0] + "/shm", true});
        trees.push_back({op.text[0] + "/pts", true});
    }
    return trees;
}

/// The operation that a mount came with: its own, or that of the nearest mount it lies in. By the
/// tree of mounts, not by path: what a later mount covers is still there below it.
const Declared* declared_for(const Attest& attest, const MountEntry& mount) {
    for (const MountEntry* at = &mount; at != nullptr; at = attest.view.table().find(at->parent)) {
        const auto found = std::ranges::find(attest.declared.rbegin(), attest.declared.rend(),
                                             at->id, &Declared::mount);
        if (found != attest.declared.rend()) return &*found;
        if (at->parent == at->id) break;
    }
    return nullptr;
}

/// What no single operation can vouch for: submounts, and what is left of the host's tree.
Verdict attest_whole(const Attest& attest) {
    int roots = 0;
    for (const MountEntry& mount : attest.view.table().entries()) {
        if (mount.propagates) {
            return not_held(kStepPrivate,
                            mount.point + ": mounts propagate out of or into the jail");
        }
        if (mount.point == "/") ++roots;
        const Declared* declared = declared_for(attest, mount);
        if (declared == nullptr || declared->writable || mount.read_only()) continue;
        return not_held(kStepIsolation,
                        fmt::format("{}: mounted {}, though nothing below {} was to be writable",
                                    mount.point, mount.options, declared->point));
    }
    if (roots == 1) return std::nullopt;
    return not_held(kStepPivot,
                    fmt::format("{} mounts at /, not 1: the old root is still there", roots));
}

}  // namespace

Jailed<JailView> JailView::open(pid_t stub) {
    const std::string directory = fmt::format("/proc/{}", stub);
    auto root = sys::open(directory + "/root", O_PATH | O_DIRECTORY);
    if (!root) return std::unexpected(failed(kStepPivot, directory + "/root", root.error().code));
    auto text = sys::read_file(directory + "/mountinfo", 16U << 20);
    if (!text) return std::unexpected(failed(kStepPivot, "mountinfo", text.error().code));
    auto table = MountTable::parse(*text);
    if (!table) return std::unexpected(not_held(kStepPivot, table.error().message));
    const auto status = stat_of(kStepPivot, root->get(), "", AT_EMPTY_PATH);
    if (!status) return std::unexpected(status.error());
    return JailView(stub, std::move(*root), status->stx_mnt_id, std::move(*table));
}

Jailed<Place> JailView::find(std::uint32_t op, const std::string& path) const {
    Place place;
    auto fd = sys::open_beneath(root_.get(), path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (!fd && (fd.error().code == ENOENT || fd.error().code == ENOTDIR)) return place;
    if (!fd) return std::unexpected(failed(op, path, fd.error().code));
    auto status = stat_of(op, fd->get(), "", AT_EMPTY_PATH);
    if (!status) return std::unexpected(std::move(status).error());
    place.fd = std::move(*fd);
    place.status = *status;
    place.mount = table_.find(status->stx_mnt_id);
    return place;
}

std::optional<JailFailure> attest_mounts(const Plan& plan, const JailView& view,
                                         const ResolvedIds& ids,
                                         std::vector<JailFailure>& weakened) {
    Attest attest{plan, view, ids, {}, {}};
    for (std::uint32_t index = 0; index < plan.ops.size(); ++index) {
        auto verdict = attest_op(attest, index);
        if (!verdict) continue;
        if (!plan.ops[index].optional) return verdict;
        weakened.push_back(std::move(*verdict));
    }
    if (has_view(plan)) {
        if (auto verdict = attest_view(plan, view, made_trees(plan), weakened)) return verdict;
    }
    return attest_whole(attest);
}

}  // namespace jailsvc::jailer
