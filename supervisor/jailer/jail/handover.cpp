#include "jailer/jail/handover.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

/// Each level holds two descriptors and a stack frame; nobody's data is that deep.
constexpr int kMostLevels = 200;
constexpr std::uint64_t kResolve =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

class Walk {
public:
    explicit Walk(const Handover& what) : from_(what.from), to_(what.to) {}

    Result<void> below(int directory, int level) {
        if (level > kMostLevels) {
            return fail(fmt::format("more than {} directories in each other", kMostLevels), ELOOP);
        }
        Fd again(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const std::unique_ptr<DIR, CloseDir> entries(again ? ::fdopendir(again.get()) : nullptr);
        if (!entries) return fail_errno("read a directory");
        (void)again.release();
        while (const dirent* entry = ::readdir(entries.get())) {
            const std::string name = entry->d_name;
            if (name == "." || name == "..") continue;
            if (auto done = one(directory, name, level); !done) {
                return fail_in(name, std::move(done).error());
            }
        }
        return {};
    }

private:
    Result<void> one(int directory, const std::string& name, int level) {
        // With both flags the descriptor is that of a link itself (openat2(2)).
        auto file = sys::open_beneath(directory, name, O_PATH | O_NOFOLLOW, kResolve);
        if (!file && (file.error().code == ENOENT || file.error().code == EXDEV)) return {};
        if (!file) return std::unexpected(std::move(file).error());
        struct stat status{};
        if (::fstat(file->get(), &status) == -1) return fail_errno("stat");
        if (S_ISDIR(status.st_mode)) {
            TRY(const Fd inner,
                sys::open_beneath(directory, name, O_RDONLY | O_DIRECTORY, kResolve));
            TRY_VOID(below(inner.get(), level + 1));
        }
        return give(file->get(), status);
    }

    Result<void> give(int file, const struct stat& status) {
        const bool user = status.st_uid == from_.uid, group = status.st_gid == from_.gid;
        if (!user && !group) return {};
        const uid_t uid = user ? to_.uid : static_cast<uid_t>(-1);
        const gid_t gid = group ? to_.gid : static_cast<gid_t>(-1);
        if (::fchownat(file, "", uid, gid, AT_EMPTY_PATH) == 0) return {};
        return fail_errno("chown");
    }

    FileOwner from_, to_;
};

}  // namespace

Result<void> set_owner(int directory, FileOwner owner, mode_t mode) {
    if (::fchown(directory, owner.uid, owner.gid) == -1) return fail_errno("chown");
    if (::fchmod(directory, mode) == -1) return fail_errno("chmod");
    return {};
}

Result<void> hand_over(const Handover& what) {
    auto done = Walk(what).below(what.directory.get(), 0);
    if (done) done = set_owner(what.directory.get(), what.to, what.mode);
    if (!done) return fail_in(what.path, std::move(done).error());
    return {};
}

}  // namespace jailsvc::jailer
