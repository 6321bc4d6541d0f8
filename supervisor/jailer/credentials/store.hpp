#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "jailer/credentials/secret.hpp"

namespace jailsvc::jailer {

/// A ramfs in no tree, whose pages are never swapped (Documentation/filesystems/ramfs-rootfs-
/// initramfs.rst). Root's until it is handed over; then mode 0500, the owner's, read-only for ever.
class CredentialStore {
public:
    struct Owner {
        uid_t uid = 0;
        gid_t gid = 0;
    };

    [[nodiscard]] static Result<CredentialStore> make();
    explicit CredentialStore(Fd mount) : mount_(std::move(mount)) {}

    [[nodiscard]] Result<void> add(const std::string& name, const Secret& secret, Owner owner);
    [[nodiscard]] Result<void> seal(Owner owner);

    [[nodiscard]] int mount() const { return mount_.get(); }
    [[nodiscard]] Fd take() { return std::move(mount_); }

private:
    Fd mount_;
};

}  // namespace jailsvc::jailer
