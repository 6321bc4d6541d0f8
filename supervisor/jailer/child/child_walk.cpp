// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_walk.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
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

/// A path being walked on the host, component by component.
struct Walk {
    raw::Handle at{-1};
    char rest[PATH_MAX];  ///< what is still to be walked
};

/// Puts `text` before what is left of the path.
int prepend(Walk& walk, const char* text, std::size_t length, std::size_t done) noexcept {
    const char* const left = walk.rest + done;
    std::size_t left_length = 0;
    while (left[left_length] != '\0') ++left_length;
    if (length + 1 + left_length >= sizeof walk.rest) return -ENAMETOOLONG;
    char joined[PATH_MAX];
    std::size_t size = 0;
    for (std::size_t i = 0; i < length; ++i) joined[size++] = text[i];
    joined[size++] = '/';
    for (std::size_t i = 0; i <= left_length; ++i) joined[size++] = left[i];
    for (std::size_t i = 0; i < size; ++i) walk.rest[i] = joined[i];
    return 0;
}

/// Replaces the link by what it says; a link of anybody but root is refused.
int follow_link(Walk& walk, int link, std::size_t done) noexcept {
    struct statx info{};
    const int code = raw::call_int(SYS_statx, link, "", AT_EMPTY_PATH, STATX_UID, &info);
    if (code < 0) return code;
    if (info.stx_uid != 0) return -kForeignLink;
    char text[PATH_MAX];
    const int length = raw::call_int(SYS_readlinkat, link, "", text, sizeof text);
    if (length < 0) return length;
    if (length == 0 || static_cast<std::size_t>(length) == sizeof text) return -ENAMETOOLONG;
    if (text[0] == '/') walk.at.reset(raw::openat2(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0));
    return prepend(walk, text, static_cast<std::size_t>(length), done);
}

/// One component further; 1 if it was a link, which has become a part of the rest.
int walk_component(Walk& walk) noexcept {
    char name[PATH_MAX];
    std::size_t begin = 0, size = 0;
    while (walk.rest[begin] == '/') ++begin;
    std::size_t end = begin;
    while (walk.rest[end] != '\0' && walk.rest[end] != '/') name[size++] = walk.rest[end++];
    name[size] = '\0';
    raw::Handle next(raw::openat2(walk.at.get(), size == 0 ? "." : name,
                                  O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_NO_MAGICLINKS));
    if (!next.ok()) return next.get();
    const int type = file_type(next.get());
    if (type < 0) return type;
    if (type == S_IFLNK) {
        const int code = follow_link(walk, next.get(), end);
        return code < 0 ? code : 1;
    }
    walk.at.reset(next.release());
    std::size_t left = 0;
    for (const char* from = walk.rest + end; (walk.rest[left] = *from) != '\0'; ++from) ++left;
    return 0;
}

int walk_on_host(const char* path) noexcept {
    constexpr int kMostLinks = 40;  // as the kernel has it (path_resolution(7))
    Walk walk;
    std::size_t length = 0;
    for (; path[length] != '\0'; ++length) {
        if (length + 1 >= sizeof walk.rest) return -ENAMETOOLONG;
        walk.rest[length] = path[length];
    }
    walk.rest[length] = '\0';
    walk.at.reset(raw::openat2(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0));
    for (int links = 0; walk.at.ok() && walk.rest[0] != '\0';) {
        const int code = walk_component(walk);
        if (code < 0) return code;
        links += code;
        if (links > kMostLinks) return -ELOOP;
    }
    return walk.at.release();
}

}  // namespace

int open_source(const char* path, std::uint64_t namespaces) noexcept {
    const int direct = raw::openat2(AT_FDCWD, path, O_PATH | O_CLOEXEC, RESOLVE_NO_SYMLINKS);
    if (direct != -ELOOP || (namespaces & CLONE_NEWUSER) != 0) return direct;
    return walk_on_host(path);
}

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

int file_type(int fd) noexcept {
    struct statx info{};
    const int code = raw::call_int(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE, &info);
    return code < 0 ? code : info.stx_mode & S_IFMT;
}

}  // namespace jailsvc::jailer
