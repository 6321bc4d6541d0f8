#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/mount_checks.hpp"

namespace jailsvc::jailer::mounts {
namespace {

/// Without opendir(3), which takes twice the calls: a jail has many masks.
Result<bool> is_empty_directory(int dir) {
    const Fd again(::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again) return fail_errno("open");
    alignas(dirent64) char buffer[512];
    int names = 0;
    ssize_t count = 0;
    while (names <= 2 && (count = ::getdents64(again.get(), buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < count; ++names) {
            at += reinterpret_cast<const dirent64*>(buffer + at)->d_reclen;
        }
    }
    if (count < 0) return fail_errno("getdents64");
    return count == 0 && names == 2;  // "." and ".."
}

/// Most masks are mounts of one and the same directory.
Result<bool> is_empty(Attest& attest, const Place& place) {
    if (!S_ISDIR(place.status.stx_mode)) return place.status.stx_size == 0;
    const auto is_this = [&](const struct statx& seen) { return same_file(seen, place.status); };
    if (std::ranges::any_of(attest.empty, is_this)) return true;
    auto empty = is_empty_directory(place.fd.get());
    if (empty && *empty) attest.empty.push_back(place.status);
    return empty;
}

Result<std::string> content_of(const Place& place) {
    // An O_PATH descriptor is opened anew, for reading, through its own magic link.
    return sys::read_file(fmt::format("/proc/self/fd/{}", place.fd.get()));
}

}  // namespace

Verdict check_tmpfs(Attest& /*attest*/, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    constexpr std::uint64_t kPage = 4096;
    const std::string size =
        MountEntry::option_value(place.mount->super_options, "size").value_or("the default");
    const std::uint64_t pages = (op.number[0] + kPage - 1) / kPage;
    const std::string wanted = fmt::format("{}k", pages * kPage / 1024);
    if (op.number[0] != 0 && size != wanted) {
        return not_held(index, fmt::format("{}: size is {}, not {}", op.text[0], size, wanted));
    }
    const auto mode = static_cast<unsigned>(place.status.stx_mode & 07777U);
    if (mode != (op.number[1] & 07777U)) {
        return not_held(index,
                        fmt::format("{}: mode is {:o}, not {:o}", op.text[0], mode, op.number[1]));
    }
    return check_flags(index, op, place, op.flags);
}

Verdict check_dev(Attest& /*attest*/, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    static constexpr struct {
        const char* name;
        unsigned major, minor;
    } kNodes[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                  {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    for (const auto& node : kNodes) {
        const auto status = status_of(index, place.fd.get(), node.name, AT_SYMLINK_NOFOLLOW);
        if (!status) return status.error();
        if (!S_ISCHR(status->stx_mode) || status->stx_rdev_major != node.major ||
            status->stx_rdev_minor != node.minor) {
            return not_held(index, fmt::format("{}/{}: is device {}:{}, not {}:{}", op.text[0],
                                               node.name, status->stx_rdev_major,
                                               status->stx_rdev_minor, node.major, node.minor));
        }
    }
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NOEXEC);
}

Verdict check_mask(Attest& attest, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    const auto empty = is_empty(attest, place);
    if (!empty) return failed(index, op.text[0], empty.error().code);
    if (!*empty) return not_held(index, fmt::format("{}: is not empty", op.text[0]));
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY);
}

Verdict check_file(Attest& /*attest*/, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_own(index, op.text[0], place, "tmpfs")) return verdict;
    if (!S_ISREG(place.status.stx_mode)) {
        return not_held(index, fmt::format("{}: is no regular file", op.text[0]));
    }
    const auto content = content_of(place);
    if (!content) return failed(index, op.text[0], content.error().code);
    if (*content != op.text[1]) {
        return not_held(index, fmt::format("{}: has another content", op.text[0]));
    }
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY);
}

}  // namespace jailsvc::jailer::mounts
