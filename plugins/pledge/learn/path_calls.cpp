// Which arguments are paths: the manual page of each call.
#include "path_calls.hpp"

#include <fcntl.h>
#include <sys/syscall.h>

#include "record.hpp"

namespace pledge::learn {
namespace {

constexpr unsigned kAsksAbout = 0;

struct Known {
    long call;
    PathArgument argument;
};

constexpr Known kKnown[] = {
#if defined(__x86_64__)
    {SYS_access, {0, -1, kAsksAbout, false}},
    {SYS_stat, {0, -1, kAsksAbout, false}},
    {SYS_lstat, {0, -1, kAsksAbout, false}},
    {SYS_readlink, {0, -1, kAsksAbout, false}},
    {SYS_mkdir, {0, -1, kCreate, true}},
    {SYS_rmdir, {0, -1, kCreate, true}},
    {SYS_unlink, {0, -1, kCreate, true}},
    {SYS_rename, {0, -1, kCreate, true}},
    {SYS_rename, {1, -1, kCreate, true}},
    {SYS_link, {0, -1, kRead, false}},
    {SYS_link, {1, -1, kCreate, true}},
    {SYS_symlink, {1, -1, kCreate, true}},
    {SYS_mknod, {0, -1, kCreate, true}},
    {SYS_chmod, {0, -1, kWrite, false}},
    {SYS_chown, {0, -1, kWrite, false}},
    {SYS_lchown, {0, -1, kWrite, false}},
    {SYS_utime, {0, -1, kWrite, false}},
    {SYS_utimes, {0, -1, kWrite, false}},
#endif
    {SYS_faccessat, {1, 0, kAsksAbout, false}},
    {SYS_faccessat2, {1, 0, kAsksAbout, false}},
    {SYS_newfstatat, {1, 0, kAsksAbout, false}},
    {SYS_statx, {1, 0, kAsksAbout, false}},
    {SYS_statfs, {0, -1, kRead, false}},
    {SYS_readlinkat, {1, 0, kAsksAbout, false}},
    {SYS_chdir, {0, -1, kRead, false}},
    {SYS_getxattr, {0, -1, kRead, false}},
    {SYS_lgetxattr, {0, -1, kRead, false}},
    {SYS_listxattr, {0, -1, kRead, false}},
    {SYS_llistxattr, {0, -1, kRead, false}},
    {SYS_inotify_add_watch, {1, -1, kRead, false}},
    {SYS_truncate, {0, -1, kWrite, false}},
    {SYS_mkdirat, {1, 0, kCreate, true}},
    {SYS_unlinkat, {1, 0, kCreate, true}},
    {SYS_renameat, {1, 0, kCreate, true}},
    {SYS_renameat, {3, 2, kCreate, true}},
    {SYS_renameat2, {1, 0, kCreate, true}},
    {SYS_renameat2, {3, 2, kCreate, true}},
    {SYS_linkat, {1, 0, kRead, false}},
    {SYS_linkat, {3, 2, kCreate, true}},
    {SYS_symlinkat, {2, 1, kCreate, true}},
    {SYS_mknodat, {1, 0, kCreate, true}},
    {SYS_fchmodat, {1, 0, kWrite, false}},
    {SYS_fchownat, {1, 0, kWrite, false}},
    {SYS_utimensat, {1, 0, kWrite, false}},
    {SYS_setxattr, {0, -1, kWrite, false}},
    {SYS_lsetxattr, {0, -1, kWrite, false}},
    {SYS_removexattr, {0, -1, kWrite, false}},
    {SYS_lremovexattr, {0, -1, kWrite, false}},
    {SYS_execve, {0, -1, kRead | kExecute, false}},
    {SYS_execveat, {1, 0, kRead | kExecute, false}},
};

unsigned uses_of_open(std::uint64_t flags) {
    if ((flags & O_PATH) != 0) return kRead;
    unsigned uses = (flags & O_TRUNC) != 0 ? static_cast<unsigned>(kWrite) : 0U;
    if ((flags & O_ACCMODE) != O_WRONLY) uses |= kRead;
    if ((flags & O_ACCMODE) != O_RDONLY) uses |= kWrite;
    return uses;
}

/// A file that is to be made is the directory's affair; the rest is then done to it too.
std::vector<PathArgument> opening(int path, int directory, std::uint64_t flags) {
    const unsigned uses = uses_of_open(flags);
    constexpr std::uint64_t kTemporary = O_TMPFILE & ~O_DIRECTORY;
    if ((flags & kTemporary) != 0) return {{path, directory, uses | kCreate, false}};
    std::vector<PathArgument> all{{path, directory, uses, false}};
    if ((flags & O_CREAT) != 0) all.push_back({path, directory, uses | kCreate, true});
    return all;
}

}  // namespace

std::vector<PathArgument> paths_of(const seccomp_data& data) {
#if defined(__x86_64__)
    if (data.nr == SYS_open) return opening(0, -1, data.args[1]);
    if (data.nr == SYS_creat) return opening(0, -1, O_CREAT | O_WRONLY | O_TRUNC);
#endif
    if (data.nr == SYS_openat) return opening(1, 0, data.args[2]);
    std::vector<PathArgument> all;
    for (const Known& known : kKnown) {
        if (known.call == data.nr) all.push_back(known.argument);
    }
    return all;
}

}  // namespace pledge::learn
