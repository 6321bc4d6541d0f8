#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/mount_checks.hpp"

namespace jailsvc::jailer::mounts {
namespace {

Verdict check_same(std::uint32_t index, const Op& op, const std::string& target,
                   const Place& place) {
    const auto source = status_of(index, AT_FDCWD, op.text[0], 0);
    if (!source) return source.error();
    if (!same_file(*source, place.status)) {
        return not_held(index,
                        fmt::format("{}: is {}, not {} (inode {}, not {})", target, where(place),
                                    op.text[0], place.status.stx_ino, source->stx_ino));
    }
    if (is_mount_root(place)) return std::nullopt;
    return not_held(index, fmt::format("{}: no mount of its own", target));
}

/// Whom it belongs to as the host counts, seen by the jail's own mount.
Verdict check_owner(std::uint32_t index, const std::string& path, const Place& place,
                    std::optional<uid_t> uid, std::optional<gid_t> gid) {
    if (uid == place.status.stx_uid && gid == place.status.stx_gid) return std::nullopt;
    return not_held(index,
                    fmt::format("{}: belongs to {}:{}, not {}:{}", path, place.status.stx_uid,
                                place.status.stx_gid, uid.value_or(~0U), gid.value_or(~0U)));
}

bool is_mapped(const Attest& attest, const Op& op) {
    const auto map = std::ranges::find(attest.plan.ops, JSV_OP_ID_MAP, &Op::kind);
    return (op.flags & JSV_MOUNT_IDMAP) != 0 && map != attest.plan.ops.end() &&
           (map->flags & JSV_ID_MAP_OWN) != 0;
}

}  // namespace

Verdict check_bind(Attest& attest, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_same(index, op, op.text[1], place)) return verdict;
    if (is_mapped(attest, op)) {
        const auto uid = host_uid(attest.plan, attest.ids, attest.ids.uid);
        const auto gid = host_gid(attest.plan, attest.ids, attest.ids.gid);
        if (auto verdict = check_owner(index, op.text[1], place, uid, gid)) return verdict;
    }
    return check_flags(index, op, place, op.flags);
}

Verdict check_read_only(Attest& /*attest*/, std::uint32_t index, const Op& op, const Place& place) {
    if (is_mount_root(place)) return check_flags(index, op, place, JSV_MOUNT_READ_ONLY);
    return not_held(index, fmt::format("{}: no mount of its own", op.text[0]));
}

/// A device on a read-only mount can be written all the same; its inode cannot be changed.
Verdict check_device(Attest& /*attest*/, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_same(index, op, op.text[0], place)) return verdict;
    return check_flags(index, op, place, JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NOEXEC);
}

Verdict check_root(Attest& attest, std::uint32_t index, const Op& op, const Place& place) {
    if (auto verdict = check_same(index, op, "/", place)) return verdict;
    if (is_mapped(attest, op)) {
        const std::uint32_t first = attest.ids.range;
        if (auto verdict = check_owner(index, "/", place, first, first)) return verdict;
    }
    return check_flags(index, op, place, op.flags);
}

}  // namespace jailsvc::jailer::mounts
