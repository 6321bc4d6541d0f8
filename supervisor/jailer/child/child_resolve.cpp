// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_resolve.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>

#include "jailer/child/child_op.hpp"
#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kMostLinks = 40;  // as the kernel has it (path_resolution(7))
constexpr std::uint32_t kOverflowUid = 65534;

/// A text of bounded length, ending in NUL.
struct Text {
    char bytes[PATH_MAX];
    std::size_t size = 0;

    bool append(const char* from, std::size_t length) noexcept {
        if (size + length >= sizeof bytes) return false;
        for (std::size_t i = 0; i < length; ++i) bytes[size++] = from[i];
        bytes[size] = '\0';
        return true;
    }
    void cut(std::size_t length) noexcept {
        size = length;
        bytes[size] = '\0';
    }
};

std::size_t length_of(const char* text) noexcept {
    std::size_t length = 0;
    while (text[length] != '\0') ++length;
    return length;
}

/// The walk so far, and what is still to be walked. `rest` is consumed from its front.
struct Walk {
    int root;
    std::uint64_t namespaces;
    const LinkVisitor* visitor;
    Text done;
    Text rest;
    std::size_t at = 0;
    int links = 0;
};

int open_at(int root, const Text& path, std::uint64_t flags) noexcept {
    return raw::openat2(root, path.size == 0 ? "/" : path.bytes, O_PATH | O_CLOEXEC | flags,
                        RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

void drop_last(Text& path) noexcept {
    std::size_t size = path.size;
    while (size > 0 && path.bytes[size - 1] != '/') --size;
    path.cut(size > 0 ? size - 1 : 0);
}

bool may_follow(const Walk& walk, std::uint32_t owner) noexcept {
    return owner == 0 || ((walk.namespaces & CLONE_NEWUSER) != 0 && owner == kOverflowUid);
}

/// What the link says comes before the rest of the path.
int follow(Walk& walk, int link) noexcept {
    if (++walk.links > kMostLinks) return -ELOOP;
    Text next;
    const int length = raw::call_int(SYS_readlinkat, link, "", next.bytes, sizeof next.bytes - 1);
    if (length < 0) return length;
    next.cut(static_cast<std::size_t>(length));
    if (walk.visitor != nullptr) {
        const int code = walk.visitor->visit(walk.visitor->context, walk.done.bytes, next.bytes);
        if (code < 0) return code;
    }
    drop_last(walk.done);
    if (next.bytes[0] == '/') walk.done.cut(0);
    const bool fits =
        next.append("/", 1) && next.append(walk.rest.bytes + walk.at, walk.rest.size - walk.at);
    if (!fits) return -ENAMETOOLONG;
    walk.rest.cut(0);
    walk.at = 0;
    return walk.rest.append(next.bytes, next.size) ? 0 : -ENAMETOOLONG;
}

bool is_name(const char* text, std::size_t size, const char* name) noexcept {
    for (std::size_t i = 0; i < size; ++i) {
        if (text[i] != name[i]) return false;
    }
    return name[size] == '\0';
}

/// One component further.
int step(Walk& walk, std::size_t size) noexcept {
    const char* name = walk.rest.bytes + walk.at;
    walk.at += size;
    if (is_name(name, size, ".")) return 0;
    if (is_name(name, size, "..")) {
        drop_last(walk.done);
        return 0;
    }
    if (!walk.done.append("/", 1) || !walk.done.append(name, size)) return -ENAMETOOLONG;
    const raw::Handle next(open_at(walk.root, walk.done, O_NOFOLLOW));
    if (!next.ok()) return next.get();
    struct statx info{};
    const int code =
        raw::call_int(SYS_statx, next.get(), "", AT_EMPTY_PATH, STATX_TYPE | STATX_UID, &info);
    if (code < 0 || (info.stx_mode & S_IFMT) != S_IFLNK) return code;
    return may_follow(walk, info.stx_uid) ? follow(walk, next.get()) : -kForeignLink;
}

int walk_all(Walk& walk) noexcept {
    for (;;) {
        while (walk.rest.bytes[walk.at] == '/') ++walk.at;
        std::size_t size = 0;
        while (walk.rest.bytes[walk.at + size] != '\0' && walk.rest.bytes[walk.at + size] != '/') {
            ++size;
        }
        if (size == 0) return open_at(walk.root, walk.done, 0);
        if (const int code = step(walk, size); code < 0) return code;
    }
}

}  // namespace

void resolve_in_root(int root, const char* path, std::uint64_t namespaces, Resolved& resolved,
                     const LinkVisitor* visitor) noexcept {
    Walk walk{.root = root,
              .namespaces = namespaces,
              .visitor = visitor,
              .done = {},
              .rest = {},
              .at = 0,
              .links = 0};
    walk.done.cut(0);
    if (!walk.rest.append(path, length_of(path))) {
        resolved.fd = -ENAMETOOLONG;
        return;
    }
    // Mostly there is no link on the way.
    const int direct = open_at(root, walk.rest, 0);
    const bool links = direct == -ELOOP;
    resolved.fd = links ? walk_all(walk) : direct;
    const Text& found = links ? walk.done : walk.rest;
    const bool is_root = found.size == 1;  // "/"
    for (std::size_t i = 0; i <= found.size; ++i) resolved.path[i] = found.bytes[i];
    if (is_root) resolved.path[0] = '\0';
}

}  // namespace jailsvc::jailer
