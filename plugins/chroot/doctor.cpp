#include "doctor.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <string>

namespace jailsvc::chroot {
namespace {

constexpr const char* kMountPoint = "/tmp";

/// A mount table of our own whose changes nobody else sees.
bool own_mounts() {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

std::string reason(const char* call) {
    return std::string(call) + ": " + std::strerror(errno) +
           "; needs root and Linux 5.12, and a container's filter that lets mount calls through";
}

/// The host's tree, cloned and made read-only with every mount below: a file that could be made
/// before cannot be made in it (open_tree(2), mount_setattr(2)).
int try_read_only_tree(jsv_probe& probe) {
    constexpr const char* kName = "read-only tree with every submount";
    if (!own_mounts() || ::mount("tmpfs", kMountPoint, "tmpfs", 0, nullptr) != 0) {
        return jsv::report(probe, 0, kName, reason("mount"));
    }
    const int tree = ::open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | AT_RECURSIVE);
    if (tree < 0) return jsv::report(probe, 0, kName, reason("open_tree"));
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes)) {
        return jsv::report(probe, 0, kName, reason("mount_setattr"));
    }
    const int made =
        ::open((std::string(kMountPoint) + "/control").c_str(), O_CREAT | O_RDWR, 0600);
    const int file = ::openat(tree, "tmp/probe", O_CREAT | O_RDWR, 0600);
    const bool held = made >= 0 && file < 0 && errno == EROFS;
    return jsv::report(probe, held, kName, held ? "" : reason("a file was made in it"));
}

/// proc of a pid namespace, in which other users' processes do not exist (proc(5), hidepid).
int try_private_proc(jsv_probe& probe) {
    constexpr const char* kName = "private /proc";
    if (!own_mounts() || ::unshare(CLONE_NEWPID) != 0) {
        return jsv::report(probe, 0, kName, reason("unshare"));
    }
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(::mount("proc", "/proc", "proc", MS_NOSUID, "hidepid=invisible") == 0 ? 0 : errno);
    }
    int status = 0;
    const bool ended = child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status);
    const bool mounted = ended && WEXITSTATUS(status) == 0;
    errno = ended ? WEXITSTATUS(status) : EAGAIN;
    return jsv::report(probe, mounted, kName, mounted ? "" : reason("mount"));
}

int try_pivot(jsv_probe& probe) {
    constexpr const char* kName = "pivot_root";
    const bool moved = own_mounts() && ::mount("tmpfs", kMountPoint, "tmpfs", 0, nullptr) == 0 &&
                       ::chdir(kMountPoint) == 0 && ::syscall(SYS_pivot_root, ".", ".") == 0 &&
                       ::umount2(".", MNT_DETACH) == 0 && ::access("/usr", F_OK) != 0;
    return jsv::report(probe, moved, kName, moved ? "" : reason("pivot_root"));
}

/// The user namespace of a child that maps 7 to 9, held open; -1 where there can be none.
int make_mapping() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
    const pid_t child = ::fork();
    if (child < 0) return -1;
    if (child == 0) {
        const char made = ::unshare(CLONE_NEWUSER) == 0 ? 1 : 0;
        (void)!::write(ends[1], &made, 1);
        ::pause();
        ::_exit(0);
    }
    char made = 0;
    const std::string directory = "/proc/" + std::to_string(child);
    int mapping = -1;
    if (::read(ends[0], &made, 1) == 1 && made == 1) {
        for (const char* name : {"/uid_map", "/gid_map"}) {
            const int map = ::open((directory + name).c_str(), O_WRONLY | O_CLOEXEC);
            (void)!::write(map, "7 9 1\n", 6);
            ::close(map);
        }
        mapping = ::open((directory + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC);
    }
    const int code = errno;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    errno = code;
    return mapping;
}

/// What the kernel can, of which each file system has to do its part: a file of 7 is seen as 9's.
int try_mapped_ids(jsv_probe& probe) {
    constexpr const char* kName = "id-mapped mounts";
    const auto fails = [&probe](const char* call) {
        return jsv::report(probe, 0, kName,
                           reason(call) + "; directories are given to the jail's ids instead");
    };
    const int mapping = make_mapping();
    if (mapping < 0) return fails("user namespace");
    if (!own_mounts() || ::mount("tmpfs", kMountPoint, "tmpfs", 0, nullptr) != 0 ||
        ::chown(kMountPoint, 7, 7) != 0) {
        return fails("mount");
    }
    const int tree = ::open_tree(AT_FDCWD, kMountPoint, OPEN_TREE_CLONE);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(mapping);
    if (tree < 0 || ::mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
        return fails("mount_setattr");
    }
    struct stat seen{};
    const bool held = ::fstat(tree, &seen) == 0 && seen.st_uid == 9 && seen.st_gid == 9;
    return held ? jsv::report(probe, 1, kName, "") : fails("stat");
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    switch (i) {
        case 0:
            return try_read_only_tree(*probe);
        case 1:
            return try_private_proc(*probe);
        case 2:
            return try_pivot(*probe);
        case 3:
            return try_mapped_ids(*probe);
        default:
            return -ENOENT;
    }
}

}  // namespace jailsvc::chroot
