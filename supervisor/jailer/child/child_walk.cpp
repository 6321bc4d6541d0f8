// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_walk.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>

#include "jailer/child/child_mounts.hpp"
#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

/// A rename elsewhere in the tree makes RESOLVE_IN_ROOT give up on ".." with EAGAIN (openat2(2));
/// an attacker may try to keep us busy with that, so not for ever.
constexpr int kWalkAttempts = 64;

int set_root_read_only(int root, bool on) noexcept {
    mount_attr attr{};
    (on ? attr.attr_set : attr.attr_clr) = MOUNT_ATTR_RDONLY;
    return raw::call_int(SYS_mount_setattr, root, "", AT_EMPTY_PATH, &attr, sizeof attr);
}

/// mkdirat and mknodat do not follow a symlink in the last component: a dangling one is EEXIST.
int make_entry(int parent, const char* name, bool directory) noexcept {
    return directory ? raw::call_int(SYS_mkdirat, parent, name, 0755)
                     : raw::call_int(SYS_mknodat, parent, name, S_IFREG | 0444, 0);
}

int make_entry_in(const MountState& state, int parent, const char* name, bool directory,
                  bool through_read_only) noexcept {
    const int made = make_entry(parent, name, directory);
    if (made != -EROFS || !through_read_only || !state.root_read_only) return made;
    if (const int code = set_root_read_only(state.root, false); code < 0) return code;
    const int again = make_entry(parent, name, directory);
    const int locked = set_root_read_only(state.root, true);
    return again < 0 ? again : locked;
}

}  // namespace

int open_in_root(int root, const char* path) noexcept {
    int fd = -EAGAIN;
    for (int i = 0; i < kWalkAttempts && fd == -EAGAIN; ++i) {
        fd = raw::openat2(root, path, O_PATH | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    }
    return fd;
}

int open_target(const MountState& state, const char* path, Missing missing,
                bool through_read_only) noexcept {
    const int found = open_in_root(state.root, path);
    if (found != -ENOENT || missing == Missing::kFail) return found;
    char prefix[PATH_MAX];
    raw::Handle parent(open_in_root(state.root, "/"));
    std::size_t length = 0;
    for (std::size_t name = 1; parent.ok() && path[length] != '\0'; name = length + 1) {
        prefix[length] = path[length];  // the slash before the next component
        for (++length; path[length] != '\0' && path[length] != '/'; ++length) {
            if (length + 1 >= sizeof prefix) return -ENAMETOOLONG;
            prefix[length] = path[length];
        }
        prefix[length] = '\0';
        int next = open_in_root(state.root, prefix);
        if (next == -ENOENT) {
            const bool directory = path[length] == '/' || missing == Missing::kMakeDirectory;
            const int made =
                make_entry_in(state, parent.get(), prefix + name, directory, through_read_only);
            if (made < 0) return made;
            next = open_in_root(state.root, prefix);
        }
        parent.reset(next);
    }
    return parent.release();
}

unsigned file_type(int fd) noexcept {
    struct statx info{};
    if (raw::call(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &info) < 0) return 0;
    return info.stx_mode & S_IFMT;
}

}  // namespace jailsvc::jailer
