#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/sys.hpp"
#include "jailer/child/child_walk.hpp"
#include "jailer/child/raw_calls.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/jail/mapped_trees.hpp"
#include "jailer/jail/trash.hpp"
#include "jailer/plan/id_range.hpp"

namespace jailsvc::jailer {
namespace {

/// Directories below one that belongs to a unit's user are that user's to swap for symlinks: no
/// walk here ever follows one.
constexpr std::uint64_t kResolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY;

/// Makes one level: what is already there stays as it is.
Result<Fd> open_or_make(int parent, const std::string& name, mode_t mode, bool& made) {
    made = ::mkdirat(parent, name.c_str(), mode) == 0;
    if (!made && errno != EEXIST) return fail_errno("mkdir " + name);
    return sys::open_beneath(parent, name, kDirectory, kResolve | RESOLVE_BENEATH);
}

/// All but the last component: root's, mode 0755.
Result<Fd> make_parents(const std::string& path, std::string& last) {
    TRY(Fd at, sys::open("/", kDirectory));
    std::size_t begin = path.find_first_not_of('/');
    while (begin != std::string::npos) {
        const std::size_t end = path.find('/', begin);
        const std::size_t next = path.find_first_not_of('/', end);
        last = path.substr(begin, end == std::string::npos ? end : end - begin);
        if (end == std::string::npos || next == std::string::npos) break;
        bool made = false;
        TRY(at, open_or_make(at.get(), last, 0755, made));
        begin = next;
    }
    if (last.empty() || last == "." || last == "..") return fail_errno(path, EINVAL);
    return at;
}

/// The way for what is about to be made anew, or gone for good. `dir` is `name` in `parent`.
Result<void> clear(int parent, const std::string& name, int dir, const std::string& trash) {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0) return {};
    if (!trash.empty() && throw_away(parent, name, trash)) return {};
    // In place, then: it is a mount point, or the trash lies in another file system.
    TRY_VOID(empty_directory(dir));
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == -1 && errno != EBUSY) {
        return fail_errno("rmdir");
    }
    return {};
}

/// The directory of an operation; `fresh` if it is new, and nobody's things are in it.
Result<Fd> make_directory(const Op& op, const std::string& trash, bool& fresh) {
    std::string last;
    TRY(const Fd parent, make_parents(op.text[0], last));
    TRY(Fd dir, open_or_make(parent.get(), last, 0700, fresh));
    if (!fresh && (op.flags & JSV_DIR_RECREATE) != 0) {
        TRY_VOID(clear(parent.get(), last, dir.get(), trash));
        TRY(dir, open_or_make(parent.get(), last, 0700, fresh));
        fresh = true;  // or emptied
    }
    return dir;
}

Result<void> remove_directory(const std::string& path, const std::string& trash) {
    const std::size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
    const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
    const std::string name = path.substr(slash + 1, path.find_last_not_of('/') - slash);
    TRY(const Fd above, sys::open_beneath(AT_FDCWD, parent, kDirectory, kResolve));
    TRY(const Fd dir, sys::open_beneath(above.get(), name, kDirectory, kResolve | RESOLVE_BENEATH));
    return clear(above.get(), name, dir.get(), trash);
}

/// Whose a tree is that becomes a jail's root. A set-user-ID file which the jail makes in it is, on
/// the host, one of an id counted from there.
Result<void> check_root_owner(const struct stat& status, bool writable) {
    const bool roots = status.st_uid == 0 && status.st_gid == 0;
    if (roots && !writable) return {};
    if (status.st_uid >= kRangeSize && status.st_gid >= kRangeSize) return {};
    return fail(
        fmt::format("belongs to {}:{}, whose ids, and the {} after them, are the host's own "
                    "users; give it ids that nobody has: chown -R --from {}:{} 200000:200000",
                    status.st_uid, status.st_gid, kRangeSize - 1, status.st_uid, status.st_gid),
        EPERM);
}

/// As the child opens what it binds: no link on the way but root's.
Result<Fd> open_root_source(const std::string& path) {
    const raw::Handle source(open_source(path.c_str(), 0));
    if (source.get() == -kForeignLink) {
        return fail("a symbolic link on the way there is not root's", kForeignLink);
    }
    if (!source.ok()) return fail_errno("open", -source.get());
    return sys::open(fmt::format("/proc/self/fd/{}", source.get()), O_RDONLY | O_DIRECTORY);
}

/// The parent's operations of one plan, one after the other.
class ParentOperations {
public:
    ParentOperations(const CompiledPlan& compiled, const ResolvedIds& ids, const std::string& trash)
        : whole_(compiled.whole()), plan_(*whole_), ids_(ids), trash_(trash), own_range_(has_own_range(compiled)) {
        const std::optional<uid_t> uid = host_uid(plan_, ids, ids.uid);
        const std::optional<gid_t> gid = host_gid(plan_, ids, ids.gid);
        if (uid && gid) user_ = {*uid, *gid};
    }

    Jailed<ParentWork> apply() {
        for (std::uint32_t index = 0; index < plan_.ops.size(); ++index) {
            const Op& op = plan_.ops[index];
            const bool root = own_range_ && op.kind == JSV_OP_ROOT;
            if (op.kind != JSV_OP_HOST_DIRECTORY && !root) continue;
            if (!user_) {
                return std::unexpected(failed(index, "the unit's ids are not mapped", EINVAL));
            }
            const auto done = root ? map_root(index, op) : make(op);
            if (done || op.optional) continue;
            return std::unexpected(JailFailure{
                index, done.error().code, fmt::format("{}: {}", op.text[0], done.error().message)});
        }
        return std::move(work_);
    }

private:
    Result<void> make(const Op& op) {
        bool fresh = false;
        TRY(Fd dir, make_directory(op, trash_, fresh));
        const FileOwner owner =
            show_mapped(op, dir.get()) ? FileOwner{ids_.keeper, ids_.keeper} : *user_;
        const auto mode = static_cast<mode_t>(op.number[0]);
        struct stat status{};
        if (::fstat(dir.get(), &status) == -1) return fail_errno("stat");
        const FileOwner before{status.st_uid, status.st_gid};
        if (fresh || before == owner) return set_owner(dir.get(), owner, mode);
        work_.handovers.push_back({op.text[0], std::move(dir), before, owner, mode});
        return {};
    }

    /// Whether the unit's jail sees the directory by an id-mapped mount, as far as it is bound.
    bool show_mapped(const Op& directory, int dir) {
        if (!own_range_) return false;
        bool mapped = false;
        for (std::uint32_t index = 0; index < plan_.ops.size(); ++index) {
            const Op& op = plan_.ops[index];
            if (op.kind != JSV_OP_BIND || (op.flags & JSV_MOUNT_IDMAP) == 0) continue;
            if (op.text[0] != directory.text[0]) continue;
            auto tree = kept_mapping(dir);
            if (!tree) {
                work_.notes.push_back(
                    fmt::format("{}: given to uid {}, since ids cannot be mapped "
                                "there: {}",
                                op.text[0], user_->uid, tree.error().message));
                return false;
            }
            work_.trees.push_back({index, std::move(*tree)});
            mapped = true;
        }
        return mapped;
    }

    Result<Fd> kept_mapping(int dir) {
        if (!kept_) {
            TRY(kept_, make_id_mapping(kept_lines(ids_.keeper, user_->uid, ids_.range),
                                       kept_lines(ids_.keeper, user_->gid, ids_.range)));
        }
        return clone_mapped(dir, kept_.get());
    }

    /// A whole tree, whose owner is 0 in the jail.
    Result<void> map_root(std::uint32_t index, const Op& op) {
        if ((op.flags & JSV_MOUNT_IDMAP) == 0) return {};
        TRY(const Fd dir, open_root_source(op.text[0]));
        struct stat status{};
        if (::fstat(dir.get(), &status) == -1) return fail_errno("stat");
        if (status.st_uid == ids_.range && status.st_gid == ids_.range) return {};
        TRY_VOID(check_root_owner(status, (op.flags & JSV_MOUNT_READ_ONLY) == 0));
        TRY(const Fd mapping, make_id_mapping({{status.st_uid, ids_.range, kRangeSize}},
                                              {{status.st_gid, ids_.range, kRangeSize}}));
        auto tree = clone_mapped(dir.get(), mapping.get());
        if (!tree) {
            return fail_in(
                fmt::format("its ids cannot be mapped; keep it in a file system that can "
                            "(ext4, xfs, btrfs, tmpfs), or give it to uid and gid {0}",
                            ids_.range),
                std::move(tree).error());
        }
        work_.trees.push_back({index, std::move(*tree)});
        return {};
    }

    std::shared_ptr<const Plan> whole_;
    const Plan& plan_;
    const ResolvedIds& ids_;
    const std::string& trash_;
    bool own_range_;
    std::optional<FileOwner> user_{};  ///< of the unit, as the host counts
    Fd kept_;
    ParentWork work_;
};

}  // namespace

Jailed<ParentWork> apply_parent_operations(const CompiledPlan& compiled, const ResolvedIds& ids,
                                           const std::string& trash) {
    if (compiled.find(JSV_OP_HOST_DIRECTORY) == nullptr && !has_own_range(compiled)) return {};
    return ParentOperations(compiled, ids, trash).apply();
}

void undo_parent_operations(const CompiledPlan& plan, const std::string& trash) {
    plan.for_each(JSV_OP_HOST_DIRECTORY, [&](std::uint32_t /*index*/, const Op& op) {
        if ((op.flags & JSV_DIR_RECREATE) == 0) return;
        // Nothing depends on it: what is left is emptied before the next start.
        (void)remove_directory(op.text[0], trash);
    });
}

}  // namespace jailsvc::jailer
