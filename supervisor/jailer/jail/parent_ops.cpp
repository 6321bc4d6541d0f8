#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/jail/trash.hpp"

namespace jailsvc::jailer {
namespace {

/// Directories below one that belongs to a unit's user are that user's to swap for symlinks: no
/// walk here ever follows one.
constexpr std::uint64_t kResolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY;

struct Owner {
    uid_t uid;
    gid_t gid;
};

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

/// The umask must not take from the mode, and a directory that was there gets owner and mode too.
Result<void> set_owner(int dir, Owner owner, mode_t mode) {
    if (::fchown(dir, owner.uid, owner.gid) == -1) return fail_errno("chown");
    if (::fchmod(dir, mode) == -1) return fail_errno("chmod");
    return {};
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

Result<void> make_directory(const Op& op, Owner owner, const std::string& trash) {
    std::string last;
    TRY(const Fd parent, make_parents(op.text[0], last));
    bool made = false;
    TRY(Fd dir, open_or_make(parent.get(), last, 0700, made));
    if (!made && (op.flags & JSV_DIR_RECREATE) != 0) {
        TRY_VOID(clear(parent.get(), last, dir.get(), trash));
        TRY(dir, open_or_make(parent.get(), last, 0700, made));
    }
    return set_owner(dir.get(), owner, static_cast<mode_t>(op.number[0]));
}

Result<void> remove_directory(const std::string& path, const std::string& trash) {
    const std::size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
    const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
    const std::string name = path.substr(slash + 1, path.find_last_not_of('/') - slash);
    TRY(const Fd above, sys::open_beneath(AT_FDCWD, parent, kDirectory, kResolve));
    TRY(const Fd dir, sys::open_beneath(above.get(), name, kDirectory, kResolve | RESOLVE_BENEATH));
    return clear(above.get(), name, dir.get(), trash);
}

}  // namespace

Jailed<void> apply_parent_operations(const CompiledPlan& compiled, const ResolvedIds& ids,
                                     const std::string& trash) {
    if (compiled.find(JSV_OP_HOST_DIRECTORY) == nullptr) return {};
    const auto whole = compiled.whole();
    const Plan& plan = *whole;
    const std::optional<uid_t> uid = host_uid(plan, ids.uid);
    const std::optional<gid_t> gid = host_gid(plan, ids.gid);
    for (std::uint32_t index = 0; index < plan.ops.size(); ++index) {
        const Op& op = plan.ops[index];
        if (op.kind != JSV_OP_HOST_DIRECTORY) continue;
        if (!uid || !gid) {
            return std::unexpected(failed(index, "the unit's ids are not mapped", EINVAL));
        }
        if (const auto made = make_directory(op, {*uid, *gid}, trash); !made && !op.optional) {
            return std::unexpected(JailFailure{
                index, made.error().code, fmt::format("{}: {}", op.text[0], made.error().message)});
        }
    }
    return {};
}

void undo_parent_operations(const CompiledPlan& plan, const std::string& trash) {
    plan.for_each(JSV_OP_HOST_DIRECTORY, [&](std::uint32_t /*index*/, const Op& op) {
        if ((op.flags & JSV_DIR_RECREATE) == 0) return;
        // Nothing depends on it: what is left is emptied before the next start.
        (void)remove_directory(op.text[0], trash);
    });
}

}  // namespace jailsvc::jailer
