// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_mounts.hpp"

#include <fcntl.h>
#include <jailsvc_plugin.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "jailer/child/child_fs.hpp"
#include "jailer/child/child_view.hpp"
#include "jailer/child/child_walk.hpp"
#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

using About = GateReport::About;

// From <sys/mount.h>, which clashes with <linux/mount.h> in glibc before 2.37.
constexpr unsigned long kRecursive = 16384, kPrivate = 1UL << 18;  // MS_REC, MS_PRIVATE
constexpr int kDetach = 2;                                         // MNT_DETACH

/// JSV_MOUNT_* were given the values of MOUNT_ATTR_*.
constexpr unsigned kAttributes =
    JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV | JSV_MOUNT_NOEXEC;
static_assert(JSV_MOUNT_READ_ONLY == MOUNT_ATTR_RDONLY && JSV_MOUNT_NOSUID == MOUNT_ATTR_NOSUID &&
              JSV_MOUNT_NODEV == MOUNT_ATTR_NODEV && JSV_MOUNT_NOEXEC == MOUNT_ATTR_NOEXEC);
constexpr unsigned kMaskAttributes =
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
constexpr std::uint64_t kScratchSize = 4U << 20;

bool may_be_absent(const ChildOp& op, int code) noexcept {
    return (op.flags & JSV_MOUNT_OPTIONAL) != 0 && (code == -ENOENT || code == -ENOTDIR);
}

int clone_tree(int dir, const char* path, unsigned flags) noexcept {
    return raw::call_int(SYS_open_tree, dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

Missing missing_for(const ChildOp& op, bool directory) noexcept {
    if ((op.flags & JSV_MOUNT_CREATE) == 0) return Missing::kFail;
    return directory ? Missing::kMakeDirectory : Missing::kMakeFile;
}

/// The common end of every mount: find or make the mount point, attach.
Outcome attach_op(const MountState& state, const ChildOp& op, const char* path, int mount,
                  bool directory) noexcept {
    const raw::Handle target(open_target(state, path, missing_for(op, directory), true));
    if (may_be_absent(op, target.get())) return {};
    if (!target.ok()) return outcome(target.get(), About::kTarget);
    return outcome(attach(mount, target.get()), About::kTarget);
}

/// A new root is a whole tree: mount_setattr(2) with AT_RECURSIVE is what reaches its submounts.
Outcome apply_root(MountState& state, const ChildOp& op, int tree) noexcept {
    const unsigned set = op.flags & kAttributes;
    if (const int code = set_attributes(tree, set, AT_RECURSIVE, kPrivate); code < 0) {
        return outcome(code, About::kMount);
    }
    if (const int code = attach(tree, state.stage); code < 0) return outcome(code, About::kTarget);
    state.root = tree;
    state.pivots = true;
    state.root_read_only = (op.flags & JSV_MOUNT_READ_ONLY) != 0;
    return {};
}

Outcome apply_bind(MountState& state, const ChildOp& op, int tree) noexcept {
    if (tree < 0) return {};  // an absent source that may be absent
    const raw::Handle owned(tree);
    const int code = set_attributes(tree, op.flags & kAttributes, AT_RECURSIVE, kPrivate);
    if (code < 0) return outcome(code, About::kMount);
    const int type = file_type(tree);
    if (type < 0) return outcome(type, About::kSource);
    return attach_op(state, op, op.text[1], tree, type == S_IFDIR);
}

/// A bind of the host's node, never a new one: its owner and mode stay those of the host. The
/// mount point is a file that we make in the jail's own /dev.
Outcome apply_device(MountState& state, const ChildOp& op, int tree) noexcept {
    if (tree < 0) return {};
    const raw::Handle owned(tree);
    const int type = file_type(tree);
    if (type < 0) return outcome(type, About::kSource);
    if (type != S_IFCHR && type != S_IFBLK) return {ENODEV, About::kSource};
    const int code = set_attributes(tree, kDeviceAttributes, 0, kPrivate);
    if (code < 0) return outcome(code, About::kMount);
    const raw::Handle target(open_target(state, op.text[0], Missing::kMakeFile, false));
    if (!target.ok()) return outcome(target.get(), About::kTarget);
    return outcome(attach(tree, target.get()), About::kTarget);
}

Outcome apply_tmpfs(MountState& state, const ChildOp& op) noexcept {
    const raw::Handle mount(
        new_tmpfs(op.number[0], static_cast<unsigned>(op.number[1]), op.flags & kAttributes));
    if (!mount.ok()) return outcome(mount.get(), About::kMount);
    return attach_op(state, op, op.text[0], mount.get(), true);
}

/// The new proc shows the pid namespace of whoever opens it (proc(5)): ours is the jail's.
Outcome apply_proc(MountState& state, const ChildOp& op) noexcept {
    static constexpr const char* kHide[] = {"0", "1", "2"};
    const FsOption hide{"hidepid", kHide[op.number[0] % 3]};
    const raw::Handle mount(new_file_system("proc", &hide, 1, op.flags & kAttributes));
    if (!mount.ok()) return outcome(mount.get(), About::kMount);
    return attach_op(state, op, op.text[0], mount.get(), true);
}

/// The new sysfs shows the interfaces of the network namespace of whoever opens it (sysfs(5)).
Outcome apply_sysfs(const MountState& state, const ChildOp& op) noexcept {
    const raw::Handle mount(new_file_system("sysfs", nullptr, 0, op.flags & kAttributes));
    if (!mount.ok()) return outcome(mount.get(), About::kMount);
    return attach_op(state, op, op.text[0], mount.get(), true);
}

/// Covers the target with something of our own, never with the root's /dev/null: that could be a
/// symlink its owner put there.
Outcome apply_mask(MountState& state, const ChildOp& op) noexcept {
    const raw::Handle target(open_in_root(state.root, op.text[0]));
    if (may_be_absent(op, target.get())) return {};
    if (!target.ok()) return outcome(target.get(), About::kTarget);
    const int type = file_type(target.get());
    if (type < 0) return outcome(type, About::kTarget);
    const char* cover = type == S_IFDIR ? "empty" : "file";
    const raw::Handle mount(clone_tree(state.scratch, cover, 0));
    if (!mount.ok()) return outcome(mount.get(), About::kMount);
    if (const int code = set_attributes(mount.get(), kMaskAttributes, 0, kPrivate); code < 0) {
        return outcome(code, About::kMount);
    }
    return outcome(attach(mount.get(), target.get()), About::kTarget);
}

/// What is not yet a mount becomes one, by a bind on itself, so that it can be locked apart.
Outcome apply_read_only(MountState& state, const ChildOp& op) noexcept {
    const raw::Handle target(open_in_root(state.root, op.text[0]));
    if (may_be_absent(op, target.get())) return {};
    if (!target.ok()) return outcome(target.get(), About::kTarget);
    const raw::Handle tree(clone_tree(target.get(), "", AT_EMPTY_PATH | AT_RECURSIVE));
    if (!tree.ok()) return outcome(tree.get(), About::kMount);
    const int code = set_attributes(tree.get(), MOUNT_ATTR_RDONLY, AT_RECURSIVE, kPrivate);
    if (code < 0) return outcome(code, About::kMount);
    return outcome(attach(tree.get(), target.get()), About::kTarget);
}

/// Name of the n-th file in the scratch tmpfs: f00, f01, … (make() caps their number).
void file_name(char (&name)[4], std::uint32_t n) noexcept {
    constexpr char kHex[] = "0123456789abcdef";
    name[0] = 'f';
    name[1] = kHex[(n >> 4) & 15];
    name[2] = kHex[n & 15];
    name[3] = '\0';
}

int write_scratch_file(int scratch, const char* name, const char* content) noexcept {
    const raw::Handle file(raw::call_int(
        SYS_openat, scratch, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0444));
    if (!file.ok()) return file.get();
    unsigned long left = 0;
    while (content[left] != '\0') ++left;
    while (left > 0) {
        const long count = raw::call(SYS_write, file.get(), content, left);
        if (count < 0) return static_cast<int>(count);
        content += count;
        left -= static_cast<unsigned long>(count);
    }
    return 0;
}

/// Written on our tmpfs and bound over its place: whoever owns the root can neither have prepared
/// the file nor change it.
Outcome apply_file(MountState& state, const ChildOp& op) noexcept {
    char name[4];
    file_name(name, state.files++);
    if (const int code = write_scratch_file(state.scratch, name, op.text[1]); code < 0) {
        return outcome(code, About::kMount);
    }
    const bool create = (op.flags & JSV_MOUNT_CREATE) != 0;
    const raw::Handle target(open_target(state, op.text[0], Missing::kMakeFile, create));
    if (may_be_absent(op, target.get())) return {};
    if (!target.ok()) return outcome(target.get(), About::kTarget);
    const raw::Handle mount(clone_tree(state.scratch, name, 0));
    if (!mount.ok()) return outcome(mount.get(), About::kMount);
    if (const int code = set_attributes(mount.get(), kMaskAttributes, 0, kPrivate); code < 0) {
        return outcome(code, About::kMount);
    }
    return outcome(attach(mount.get(), target.get()), About::kTarget);
}

/// What the jailer has filled and sealed; attached, it is this mount namespace's alone. Its place
/// is made in a file system of the jail's own only: a read-only root may be the host's.
Outcome apply_credentials(const MountState& state, const ChildOp& op) noexcept {
    const raw::Handle target(open_target(state, op.text[0], Missing::kMakeDirectory, false));
    if (!target.ok()) return outcome(target.get(), About::kTarget);
    const raw::Handle mount(state.job->credentials);
    return outcome(attach(mount.get(), target.get()), About::kMount);
}

Outcome apply_hostname(const ChildOp& op) noexcept {
    unsigned length = 0;
    while (op.text[0][length] != '\0') ++length;
    return outcome(raw::call(SYS_sethostname, op.text[0], length), About::kWhole);
}

}  // namespace

/// A new mount namespace starts with the host's propagation: what we mount would appear there
/// (mount_namespaces(7), "Restrictions").
Outcome make_private() noexcept {
    return outcome(raw::call(SYS_mount, nullptr, "/", nullptr, kRecursive | kPrivate, nullptr),
                   About::kWhole);
}

/// A bound tree is cloned before anything is attached, so that no tree contains the jail itself.
Outcome open_source_tree(MountState& state, std::uint32_t index) noexcept {
    const ChildOp& op = state.job->ops[index];
    if (state.job->trees[index] >= 0) return {};  // the jailer has
    const bool device = op.kind == JSV_OP_DEVICE;
    if (op.kind != JSV_OP_ROOT && op.kind != JSV_OP_BIND && !device) return {};
    const raw::Handle source(open_source(op.text[0], state.job->namespaces));
    if (may_be_absent(op, source.get())) return {};
    if (!source.ok()) return outcome(source.get(), About::kSource);
    const unsigned recursive = device ? 0 : AT_RECURSIVE;
    const int tree = clone_tree(source.get(), "", AT_EMPTY_PATH | recursive);
    if (tree < 0) return outcome(tree, About::kSource);
    state.job->trees[index] = tree;
    return {};
}

Outcome open_stage(MountState& state) noexcept {
    constexpr unsigned kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    state.stage = raw::openat2(AT_FDCWD, state.job->stage_directory, kFlags, RESOLVE_NO_MAGICLINKS);
    if (state.stage < 0) return outcome(state.stage, About::kSource);
    state.root = raw::call_int(SYS_openat, AT_FDCWD, "/", kFlags, 0);
    return outcome(state.root, About::kTarget);
}

/// Attached to the stage, since a detached tree cannot be cloned before Linux 6.15; the new root
/// then comes on a directory inside. It leaves the namespace with the old root.
Outcome make_scratch(MountState& state) noexcept {
    state.scratch = new_tmpfs(kScratchSize, 0700, kMaskAttributes & ~unsigned{MOUNT_ATTR_RDONLY});
    if (state.scratch < 0) return outcome(state.scratch, About::kMount);
    if (const int code = attach(state.scratch, state.stage); code < 0) {
        return outcome(code, About::kTarget);
    }
    long code = raw::call(SYS_mkdirat, state.scratch, "root", 0700);
    if (code >= 0) code = raw::call(SYS_mkdirat, state.scratch, "empty", 0555);
    if (code >= 0) code = write_scratch_file(state.scratch, "file", "");
    if (code < 0) return outcome(code, About::kMount);
    raw::close(state.stage);
    state.stage =
        raw::openat2(state.scratch, "root", O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
    return outcome(state.stage, About::kTarget);
}

Outcome apply_mount(MountState& state, std::uint32_t index) noexcept {
    const ChildOp& op = state.job->ops[index];
    const int tree = state.job->trees[index];
    switch (static_cast<jsv_kind>(op.kind)) {
        case JSV_OP_HOSTNAME:
            return apply_hostname(op);
        case JSV_OP_ROOT:
            return apply_root(state, op, tree);
        case JSV_OP_BIND:
            return apply_bind(state, op, tree);
        case JSV_OP_TMPFS:
            return apply_tmpfs(state, op);
        case JSV_OP_PROC:
            return apply_proc(state, op);
        case JSV_OP_DEV:
            return apply_dev(state, op);
        case JSV_OP_DEVICE:
            return apply_device(state, op, tree);
        case JSV_OP_MASK:
            return apply_mask(state, op);
        case JSV_OP_READ_ONLY:
            return apply_read_only(state, op);
        case JSV_OP_SYSCTL:
            return apply_sysctl(op);
        case JSV_OP_FILE:
            return apply_file(state, op);
        case JSV_OP_VIEW:
            return apply_view(state);
        case JSV_OP_REVEAL:
            return apply_reveal(state, index);
        case JSV_OP_SYSFS:
            return apply_sysfs(state, op);
        case JSV_OP_CREDENTIALS:
            return apply_credentials(state, op);
        case JSV_OP_CREDENTIAL:  // the jailer has put it there
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
            return {};  // not of this stage
    }
    return {EINVAL, About::kWhole};
}

Outcome seal_dev(MountState& state) noexcept {
    if (state.dev < 0) return {};
    const int code = set_attributes(state.dev, MOUNT_ATTR_RDONLY, 0, 0);
    if (code >= 0) state.dev = -1;
    return outcome(code, About::kMount);
}

/// pivot_root(".", ".") stacks the old root upon the new one, from where it is unmounted without a
/// directory to put it in (pivot_root(2), NOTES).
Outcome finish_mounts(MountState& state) noexcept {
    if (const Outcome sealed = seal_dev(state); !sealed.ok()) return sealed;
    if (const Outcome sealed = seal_view(state); !sealed.ok()) return sealed;
    long code = 0;
    if (state.pivots) {
        code = raw::call(SYS_fchdir, state.view >= 0 ? state.view : state.root);
        if (code >= 0) code = raw::call(SYS_pivot_root, ".", ".");
        if (code >= 0) code = raw::call(SYS_umount2, ".", kDetach);
    } else if (state.scratch >= 0) {
        code = raw::call(SYS_umount2, state.job->stage_directory, kDetach);
    }
    if (code < 0) return outcome(code, About::kTarget);
    return outcome(raw::call(SYS_chdir, "/"), About::kTarget);
}

}  // namespace jailsvc::jailer
