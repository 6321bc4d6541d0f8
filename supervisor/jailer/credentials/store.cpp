#include "jailer/credentials/store.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr unsigned kAttributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

Result<void> configure(int fs, unsigned command, const char* name, const char* value) {
    if (::syscall(SYS_fsconfig, fs, command, name, value, 0) != -1) return {};
    return fail_errno("a ramfs for credentials: fsconfig");
}

Result<void> give(int fd, const std::string& shown, mode_t mode, CredentialStore::Owner owner) {
    if (::fchownat(fd, "", owner.uid, owner.gid, AT_EMPTY_PATH) == -1) {
        return fail_errno("chown " + shown);
    }
    if (::fchmod(fd, mode) == -1) return fail_errno("chmod " + shown);
    return {};
}

}  // namespace

Result<CredentialStore> CredentialStore::make() {
    const Fd fs(static_cast<int>(::syscall(SYS_fsopen, "ramfs", FSOPEN_CLOEXEC)));
    if (!fs) return fail_errno("a ramfs for credentials: fsopen");
    TRY_VOID(configure(fs.get(), FSCONFIG_SET_STRING, "source", "jailsvc"));
    TRY_VOID(configure(fs.get(), FSCONFIG_SET_STRING, "mode", "0700"));
    TRY_VOID(configure(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr));
    Fd mount(static_cast<int>(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, kAttributes)));
    if (!mount) return fail_errno("a ramfs for credentials: fsmount");
    return CredentialStore(std::move(mount));
}

Result<void> CredentialStore::add(const std::string& name, const Secret& secret, Owner owner) {
    const Fd file(::openat(mount_.get(), name.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0));
    if (!file) return fail_errno(name);
    TRY_VOID(write_secret(file.get(), secret.bytes(), name));
    return give(file.get(), name, 0400, owner);
}

Result<void> CredentialStore::seal(Owner owner) {
    TRY(const Fd directory,
        sys::open_beneath(mount_.get(), ".", O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS));
    TRY_VOID(give(directory.get(), "the credentials' directory", 0500, owner));
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, mount_.get(), "", AT_EMPTY_PATH, &attributes,
                  sizeof attributes) == -1) {
        return fail_errno("seal the credentials: mount_setattr");
    }
    return {};
}

}  // namespace jailsvc::jailer
