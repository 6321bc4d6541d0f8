#include "jailer/jail/attest_credentials.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/plan/credential_limits.hpp"

namespace jailsvc::jailer {
namespace {

using Verdict = std::optional<JailFailure>;

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
};

Verdict check_mount(std::uint32_t index, const std::string& path, const Place& place) {
    const bool own = (place.status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 &&
                     place.mount->type == "ramfs" && place.mount->source == "jailsvc";
    if (!own) {
        return not_held(index, fmt::format("{}: is a {} of \"{}\", not a ramfs of jailsvc", path,
                                           place.mount->type, place.mount->source));
    }
    for (const char* flag : {"ro", "nosuid", "nodev", "noexec"}) {
        if (MountEntry::has_option(place.mount->options, flag)) continue;
        return not_held(index,
                        fmt::format("{}: mounted {}, not {}", path, place.mount->options, flag));
    }
    return std::nullopt;
}

Verdict check_status(std::uint32_t index, const std::string& path, const struct statx& status,
                     unsigned mode, Owner owner) {
    if (status.stx_mode != mode) {
        return not_held(index,
                        fmt::format("{}: mode is {:o}, not {:o}", path, status.stx_mode, mode));
    }
    if (status.stx_uid == owner.uid && status.stx_gid == owner.gid) return std::nullopt;
    return not_held(index, fmt::format("{}: belongs to {}:{}, not {}:{}", path, status.stx_uid,
                                       status.stx_gid, owner.uid, owner.gid));
}

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<std::set<std::string>> names_in(int directory) {
    TRY(Fd again, sys::open_beneath(directory, ".", O_RDONLY | O_DIRECTORY, RESOLVE_NO_SYMLINKS));
    const std::unique_ptr<DIR, CloseDir> entries(::fdopendir(again.get()));
    if (!entries) return fail_errno("fdopendir");
    (void)again.release();  // closedir closes it
    std::set<std::string> names;
    errno = 0;  // only so an error is told from the end (readdir(3))
    while (const dirent* entry = ::readdir(entries.get())) names.emplace(entry->d_name);
    if (errno != 0) return fail_errno("read it");
    names.erase(".");
    names.erase("..");
    return names;
}

Verdict check_file(std::uint32_t index, const std::string& path, int directory,
                   const std::string& name, Owner owner) {
    struct statx status{};
    if (::statx(directory, name.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) == -1) {
        return failed(index, path, errno);
    }
    if (auto verdict = check_status(index, path, status, S_IFREG | 0400, owner)) return verdict;
    if (status.stx_size <= kMaxCredential) return std::nullopt;
    return not_held(index, fmt::format("{}: has {} bytes, more than {}", path, status.stx_size,
                                       kMaxCredential));
}

}  // namespace

std::optional<JailFailure> attest_credentials(const Plan& plan, std::uint32_t index,
                                              const Place& place, const ResolvedIds& ids) {
    const std::string& path = plan.ops[index].text[0];
    const auto uid = host_uid(plan, ids, ids.uid);
    const auto gid = host_gid(plan, ids, ids.gid);
    if (!uid || !gid) return not_held(index, "the unit's ids are not mapped");
    const Owner owner{*uid, *gid};
    if (auto verdict = check_mount(index, path, place)) return verdict;
    if (auto verdict = check_status(index, path, place.status, S_IFDIR | 0500, owner)) {
        return verdict;
    }
    auto names = names_in(place.fd.get());
    if (!names) return failed(index, path, names.error().code);
    for (std::uint32_t i = 0; i < plan.ops.size(); ++i) {
        const Op& op = plan.ops[i];
        if (op.kind != JSV_OP_CREDENTIAL) continue;
        const std::string file = path + "/" + op.text[0];
        if (names->erase(op.text[0]) == 0) return not_held(i, file + ": not there");
        if (auto verdict = check_file(i, file, place.fd.get(), op.text[0], owner)) return verdict;
    }
    if (names->empty()) return std::nullopt;
    return not_held(index,
                    fmt::format("{}/{}: is no credential of the unit", path, *names->begin()));
}

}  // namespace jailsvc::jailer
