#include "doctor.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <string>

namespace credentials {
namespace {

constexpr const char* kName = "private memory for credentials";

/// What a service's root could change back is no seal: a file that was there cannot be opened for
/// writing any more.
int try_ramfs(jsv_probe& probe) {
    const auto no = [&](const char* call) {
        return jsv::report(probe, 0, kName,
                           std::string(call) + ": " + std::strerror(errno) +
                               "; needs root and Linux 5.12, and a container's filter that lets "
                               "mount calls through");
    };
    const int fs = ::fsopen("ramfs", FSOPEN_CLOEXEC);
    if (fs < 0) return no("fsopen");
    if (::fsconfig(fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return no("fsconfig");
    const int mount = ::fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOEXEC);
    if (mount < 0) return no("fsmount");
    const int file = ::openat(mount, "probe", O_CREAT | O_RDWR | O_CLOEXEC, 0400);
    if (file < 0) return no("open");
    ::close(file);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
        return no("mount_setattr");
    }
    if (::openat(mount, "probe", O_RDWR | O_CLOEXEC) >= 0 || errno != EROFS) return no("read-only");
    return jsv::report(probe, 1, kName, "");
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    return i == 0 ? try_ramfs(*probe) : -ENOENT;
}

}  // namespace credentials
