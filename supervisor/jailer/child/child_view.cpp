// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_view.hpp"

#include <fcntl.h>
#include <jailsvc_plugin.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstddef>

#include "jailer/child/child_fs.hpp"
#include "jailer/child/child_resolve.hpp"
#include "jailer/child/child_walk.hpp"
#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

using About = GateReport::About;

constexpr std::uint64_t kViewSize = 8U << 20;  // names only: that many KiB are its inodes
constexpr unsigned long kPrivate = 1UL << 18;  // MS_PRIVATE, as in child_mounts.cpp

int open_plain(int root, const char* path, std::uint64_t flags) noexcept {
    return raw::openat2(root, path, O_PATH | O_CLOEXEC | flags,
                        RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

/// In a part of the tree that is bound already nothing may be made: it would be made there.
bool is_own(const MountState& state, int fd) noexcept {
    struct statx info{};
    if (raw::call(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &info) < 0) return false;
    return state.view_mount != 0 && info.stx_mnt_id == state.view_mount;
}

/// The directory above a path's last component, made where it is missing; `name` is set to that
/// component. `path` is absolute, plain and without links.
int open_parent(const MountState& state, const char* path, const char*& name) noexcept {
    char prefix[PATH_MAX];
    raw::Handle parent(open_plain(state.view, "/", O_DIRECTORY));
    std::size_t length = 0;
    while (parent.ok()) {
        name = path + length + 1;
        prefix[length] = path[length];  // the slash before the next component
        for (++length; path[length] != '\0' && path[length] != '/'; ++length) {
            if (length + 1 >= sizeof prefix) return -ENAMETOOLONG;
            prefix[length] = path[length];
        }
        if (path[length] == '\0') return parent.release();
        prefix[length] = '\0';
        int next = open_plain(state.view, prefix, O_DIRECTORY);
        if (next == -ENOENT && is_own(state, parent.get())) {
            const char* made = prefix + (name - path);
            const int code = raw::call_int(SYS_mkdirat, parent.get(), made, 0755);
            next = code < 0 ? code : open_plain(state.view, prefix, O_DIRECTORY);
        }
        parent.reset(next);
    }
    return parent.get();
}

/// Where a part of the tree is bound: O_PATH, or a negative errno.
int open_place(const MountState& state, const char* path, bool directory) noexcept {
    const int found = open_plain(state.view, path, 0);
    if (found != -ENOENT) return found;
    const char* name = nullptr;
    const raw::Handle parent(open_parent(state, path, name));
    if (!parent.ok()) return parent.get();
    if (!is_own(state, parent.get())) return -ENOENT;
    const int made = directory ? raw::call_int(SYS_mkdirat, parent.get(), name, 0755)
                               : raw::call_int(SYS_mknodat, parent.get(), name, S_IFREG | 0444, 0);
    return made < 0 ? made : open_plain(state.view, path, 0);
}

/// LinkVisitor: the view gets the same link, unless it shows it already.
int make_link(void* context, const char* path, const char* target) noexcept {
    const MountState& state = *static_cast<MountState*>(context);
    const raw::Handle there(open_plain(state.view, path, O_NOFOLLOW));
    if (there.get() != -ENOENT) return there.ok() ? 0 : there.get();
    const char* name = nullptr;
    const raw::Handle parent(open_parent(state, path, name));
    if (!parent.ok()) return parent.get();
    if (!is_own(state, parent.get())) return -ENOENT;
    return raw::call_int(SYS_symlinkat, target, parent.get(), name);
}

/// The whole tree takes the place of the empty one.
Outcome reveal_all(MountState& state, raw::Handle& tree) noexcept {
    if (const int code = attach(tree.get(), state.view); code < 0) {
        return outcome(code, About::kTarget);
    }
    raw::close(state.view);
    state.view = tree.release();
    state.view_mount = 0;
    return {};
}

}  // namespace

/// Beside the tree, not on it: a clone of the whole tree would contain the view.
Outcome apply_view(MountState& state, const ChildOp& /*op*/, std::uint32_t /*index*/) noexcept {
    if (const Outcome sealed = seal_dev(state); !sealed.ok()) return sealed;
    long code = raw::call(SYS_mkdirat, state.scratch, "view", 0700);
    if (code < 0) return outcome(code, About::kMount);
    const raw::Handle place(open_plain(state.scratch, "view", O_DIRECTORY));
    if (!place.ok()) return outcome(place.get(), About::kMount);
    raw::Handle view(
        new_tmpfs(kViewSize, 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    if (!view.ok()) return outcome(view.get(), About::kMount);
    code = attach(view.get(), place.get());
    if (code < 0) return outcome(code, About::kMount);
    struct statx info{};
    code = raw::call(SYS_statx, view.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &info);
    if (code < 0) return outcome(code, About::kMount);
    state.view_mount = info.stx_mnt_id;
    state.view = view.release();
    return {};
}

Outcome apply_reveal(MountState& state, const ChildOp& op, std::uint32_t index) noexcept {
    if (state.view < 0) return {};  // a view that is optional, and could not be made
    const LinkVisitor visitor{make_link, &state};
    Resolved resolved;
    resolve_in_root(state.root, op.text[0], state.job->namespaces, resolved, &visitor);
    const raw::Handle source(resolved.fd);
    const bool absent = source.get() == -ENOENT || source.get() == -ENOTDIR;
    if (absent && (op.flags & JSV_MOUNT_OPTIONAL) != 0) return {};
    if (!source.ok()) return outcome(source.get(), About::kTarget);
    raw::Handle tree(
        raw::call_int(SYS_open_tree, source.get(), "",
                      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE));
    if (!tree.ok()) return outcome(tree.get(), About::kMount);
    const unsigned set = op.flags & (JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOEXEC);
    const int code = set_attributes(tree.get(), set, AT_RECURSIVE, kPrivate);
    if (code < 0) return outcome(code, About::kMount);
    int& depth = state.job->depths[index];
    for (depth = 0; resolved.path[depth] != '\0';) ++depth;
    state.job->trees[index] = tree.release();
    return {};
}

std::uint32_t next_reveal(const MountState& state) noexcept {
    const StubJob& job = *state.job;
    std::uint32_t next = job.count;
    for (std::uint32_t i = 0; i < job.count; ++i) {
        if (job.ops[i].kind != JSV_OP_REVEAL || job.trees[i] < 0) continue;
        if (next == job.count || job.depths[i] < job.depths[next]) next = i;
    }
    return next;
}

Outcome attach_reveal(MountState& state, std::uint32_t index) noexcept {
    raw::Handle tree(state.job->trees[index]);
    state.job->trees[index] = -1;
    Resolved resolved;
    resolve_in_root(state.root, state.job->ops[index].text[0], state.job->namespaces, resolved);
    const raw::Handle source(resolved.fd);
    if (!source.ok()) return outcome(source.get(), About::kTarget);
    if (resolved.path[0] == '\0') return reveal_all(state, tree);
    const int type = file_type(source.get());
    if (type < 0) return outcome(type, About::kTarget);
    const raw::Handle place(open_place(state, resolved.path, type == S_IFDIR));
    if (!place.ok()) return outcome(place.get(), About::kTarget);
    return outcome(attach(tree.get(), place.get()), About::kTarget);
}

Outcome seal_view(const MountState& state) noexcept {
    if (state.view_mount == 0) return {};
    return outcome(set_attributes(state.view, MOUNT_ATTR_RDONLY, 0, 0), About::kMount);
}

}  // namespace jailsvc::jailer
