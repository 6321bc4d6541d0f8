#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

/// Trees whose ids on disk are not those that a jail sees: id-mapped mounts (mount_setattr(2)).
namespace jailsvc::jailer {

/// Ids `disk`, `disk + 1`, … are shown as `shown`, `shown + 1`, …; what no line has is nobody's.
struct IdLine {
    std::uint32_t disk;
    std::uint32_t shown;
    std::uint32_t count;
};
using IdLines = std::vector<IdLine>;

/// The user namespace that says which id is shown as which; it holds no process.
[[nodiscard]] Result<Fd> make_id_mapping(const IdLines& uids, const IdLines& gids);

/// What is at `dir` with everything below, as a tree in no mount namespace, its ids mapped. An
/// error where one of its file systems cannot map, as overlayfs.
[[nodiscard]] Result<Fd> clone_mapped(int dir, int mapping);

/// For the directories of a unit whose ids are `range` and the 65535 after it: what belongs to
/// `keeper` on disk is shown as `user`'s, one of the range; others of the range are themselves.
[[nodiscard]] IdLines kept_lines(std::uint32_t keeper, std::uint32_t user, std::uint32_t range);

/// A source that is opened before the jail's init is made: the child finds it in its place.
struct MappedTree {
    std::uint32_t op;  ///< index of its JSV_OP_BIND or JSV_OP_ROOT
    Fd tree;
};

}  // namespace jailsvc::jailer
