#include "jailer/jail/mount_query.hpp"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

// From <linux/mount.h>, <linux/nsfs.h> and <linux/stat.h> of Linux 6.13.
#ifndef SYS_statmount
#define SYS_statmount 457
#define SYS_listmount 458
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

namespace jailsvc::jailer {
namespace {

constexpr unsigned long kNamespaceNumber = _IOR(0xb7, 5, std::uint64_t);   // NS_GET_MNTNS_ID
constexpr std::uint64_t kFromTop = ~std::uint64_t{0};                      // LSMT_ROOT
constexpr std::uint64_t kFileSystem = 0x1, kMount = 0x2, kSource = 0x200;  // STATMOUNT_*

struct Request {  // struct mnt_id_req
    std::uint32_t size = sizeof(Request);
    std::uint32_t spare = 0;
    std::uint64_t mount = 0;
    std::uint64_t parameter = 0;
    std::uint64_t mount_namespace = 0;
};

struct Answer {  // struct statmount
    std::uint32_t size, options;
    std::uint64_t mask;
    std::uint32_t device_major, device_minor;
    std::uint64_t magic;
    std::uint32_t flags, type;
    std::uint64_t id, parent;
    std::uint32_t old_id, old_parent;
    std::uint64_t attributes, propagation, peer_group, master, propagates_from;
    std::uint32_t root, point;
    std::uint64_t mount_namespace;
    std::uint32_t subtype, source;
    std::uint64_t spare[48];
    char text[512];
};
static_assert(offsetof(Answer, text) == 512);

}  // namespace

Result<std::uint64_t> mount_namespace_number(int mount_namespace) {
    std::uint64_t number = 0;
    if (::ioctl(mount_namespace, kNamespaceNumber, &number) == -1) {
        return fail_errno("number of a mount namespace");
    }
    return number;
}

Result<std::vector<std::uint64_t>> list_mounts(std::uint64_t mount_namespace, std::size_t most) {
    Request request;
    request.mount = kFromTop;
    request.mount_namespace = mount_namespace;
    std::vector<std::uint64_t> mounts(most + 1);
    const long count = ::syscall(SYS_listmount, &request, mounts.data(), mounts.size(), 0);
    if (count == -1) return fail_errno("listmount");
    mounts.resize(static_cast<std::size_t>(count));
    if (mounts.size() > most) return fail_errno("listmount", E2BIG);
    return mounts;
}

Result<MountFacts> read_mount(std::uint64_t mount_namespace, std::uint64_t mount) {
    Request request;
    request.mount = mount;
    request.parameter = kFileSystem | kMount | kSource;
    request.mount_namespace = mount_namespace;
    Answer answer{};
    if (::syscall(SYS_statmount, &request, &answer, sizeof answer, 0) == -1) {
        return fail_errno("statmount");
    }
    constexpr std::uint64_t kWanted = kFileSystem | kMount;
    if ((answer.mask & kWanted) != kWanted) return fail_errno("statmount", EOPNOTSUPP);
    MountFacts facts{.parent = answer.parent,
                     .device = std::uint64_t{answer.device_major} << 32 | answer.device_minor,
                     .magic = answer.magic,
                     .source = {}};
    if ((answer.mask & kSource) != 0 && answer.source < sizeof answer.text) {
        facts.source.assign(
            answer.text + answer.source,
            ::strnlen(answer.text + answer.source, sizeof answer.text - answer.source));
    }
    return facts;
}

Result<std::uint64_t> mount_of(int file) {
    struct statx status{};
    if (::statx(file, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &status) == -1) {
        return fail_errno("statx");
    }
    if ((status.stx_mask & STATX_MNT_ID_UNIQUE) == 0) return fail_errno("statx", EOPNOTSUPP);
    return status.stx_mnt_id;
}

}  // namespace jailsvc::jailer
