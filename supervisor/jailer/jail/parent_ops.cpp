#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"
#include "jailer/jail/id_map.hpp"
#include "jailer/jail/jail.hpp"

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

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

/// A directory's own descriptor for reading its entries; takes a second one, so that the caller's
/// stays open.
std::unique_ptr<DIR, CloseDir> read_directory(int dir) {
    const int again = ::openat(dir, ".", kDirectory | O_CLOEXEC);
    if (again == -1) return nullptr;
    DIR* opened = ::fdopendir(again);
    if (opened == nullptr) ::close(again);
    return std::unique_ptr<DIR, CloseDir>(opened);
}

bool is_dot(const char* name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

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

/// Empties `sub`, a directory in `top`: what is not empty in it goes up to `top`, under a name of
/// its own, and is found there by the next round. So no depth of directories, however hostile,
/// takes more than three descriptors or any recursion.
Result<void> hoist_and_remove(int top, const char* sub, std::uint64_t& counter) {
    TRY(const Fd dir,
        sys::open_beneath(top, sub, kDirectory, kResolve | RESOLVE_BENEATH | RESOLVE_NO_XDEV));
    const auto entries = read_directory(dir.get());
    if (!entries) return fail_errno("read a directory");
    while (const dirent* entry = ::readdir(entries.get())) {
        if (is_dot(entry->d_name)) continue;
        if (::unlinkat(dir.get(), entry->d_name, 0) == 0) continue;
        if (::unlinkat(dir.get(), entry->d_name, AT_REMOVEDIR) == 0) continue;
        const std::string up = fmt::format(".jailsvc-old-{}", counter++);
        // Somebody may have chosen our names: then this is EEXIST or ENOTEMPTY, and the next one
        // is tried when this directory comes round again.
        if (::renameat2(dir.get(), entry->d_name, top, up.c_str(), RENAME_NOREPLACE) == -1 &&
            errno != EEXIST && errno != ENOENT) {
            return fail_errno(fmt::format("remove {}", entry->d_name));
        }
    }
    if (::unlinkat(top, sub, AT_REMOVEDIR) == -1 && errno != ENOTEMPTY && errno != ENOENT) {
        return fail_errno(fmt::format("remove {}", sub));
    }
    return {};
}

/// One pass over the directory; true when nothing was left to do.
Result<bool> empty_once(int top, std::uint64_t& counter) {
    const auto entries = read_directory(top);
    if (!entries) return fail_errno("read a directory");
    bool clean = true;
    while (const dirent* entry = ::readdir(entries.get())) {
        if (is_dot(entry->d_name)) continue;
        clean = false;
        if (::unlinkat(top, entry->d_name, 0) == 0) continue;
        if (errno != EISDIR && errno != EPERM && errno != ENOENT) {
            return fail_errno(fmt::format("remove {}", entry->d_name));
        }
        if (::unlinkat(top, entry->d_name, AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
        if (errno != ENOTEMPTY) return fail_errno(fmt::format("remove {}", entry->d_name));
        TRY_VOID(hoist_and_remove(top, entry->d_name, counter));
    }
    return clean;
}

/// Somebody who keeps making files could keep us here: so many passes, then it is an error.
constexpr int kMostPasses = 100000;

Result<void> empty_directory(int top) {
    std::uint64_t counter = 0;
    for (int pass = 0; pass < kMostPasses; ++pass) {
        TRY(const bool clean, empty_once(top, counter));
        if (clean) return {};
    }
    return fail_errno("empty a directory", EBUSY);
}

Result<void> make_directory(const Op& op, Owner owner) {
    std::string last;
    TRY(const Fd parent, make_parents(op.text[0], last));
    bool made = false;
    TRY(const Fd dir, open_or_make(parent.get(), last, 0700, made));
    if (!made && (op.flags & JSV_DIR_RECREATE) != 0) TRY_VOID(empty_directory(dir.get()));
    return set_owner(dir.get(), owner, static_cast<mode_t>(op.number[0]));
}

Result<void> remove_directory(const std::string& path) {
    const std::size_t slash = path.find_last_of('/', path.find_last_not_of('/'));
    const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
    const std::string name = path.substr(slash + 1, path.find_last_not_of('/') - slash);
    TRY(const Fd above, sys::open_beneath(AT_FDCWD, parent, kDirectory, kResolve));
    TRY(const Fd dir, sys::open_beneath(above.get(), name, kDirectory, kResolve | RESOLVE_BENEATH));
    TRY_VOID(empty_directory(dir.get()));
    if (::unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) == -1) return fail_errno("rmdir");
    return {};
}

}  // namespace

Jailed<void> apply_parent_operations(const CompiledPlan& compiled, const ResolvedIds& ids) {
    if (compiled.find(JSV_OP_HOST_DIRECTORY) == nullptr) return {};
    const Plan plan = compiled.plan();
    const std::optional<uid_t> uid = host_uid(plan, ids.uid);
    const std::optional<gid_t> gid = host_gid(plan, ids.gid);
    for (std::uint32_t index = 0; index < plan.ops.size(); ++index) {
        const Op& op = plan.ops[index];
        if (op.kind != JSV_OP_HOST_DIRECTORY) continue;
        if (!uid || !gid) {
            return std::unexpected(failed(index, "the unit's ids are not mapped", EINVAL));
        }
        if (const auto made = make_directory(op, {*uid, *gid}); !made && !op.optional) {
            return std::unexpected(JailFailure{
                index, made.error().code, fmt::format("{}: {}", op.text[0], made.error().message)});
        }
    }
    return {};
}

void undo_parent_operations(const CompiledPlan& plan) {
    for (const ChildOp& op : plan.child_ops()) {
        if (op.kind != JSV_OP_HOST_DIRECTORY || (op.flags & JSV_DIR_RECREATE) == 0) continue;
        // Nothing depends on it: what is left is emptied before the next start.
        (void)remove_directory(op.text[0]);
    }
}

}  // namespace jailsvc::jailer
