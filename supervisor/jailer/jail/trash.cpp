#include "jailer/jail/trash.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint64_t kResolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY;
constexpr int kMostNames = 100;  ///< tried for one thing thrown away

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

/// The next entry; nullptr with errno 0 at the end, with another where it cannot be read.
const dirent* next_entry(DIR* directory) {
    errno = 0;
    return ::readdir(directory);
}

bool is_dot(const char* name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/// Empties `sub`, a directory in `top`: what is not empty in it goes up to `top`, under a name of
/// its own, and is found there by the next round. So no depth of directories, however hostile,
/// takes more than three descriptors or any recursion.
Result<void> hoist_and_remove(int top, const char* sub, std::uint64_t& counter) {
    TRY(const Fd dir,
        sys::open_beneath(top, sub, kDirectory, kResolve | RESOLVE_BENEATH | RESOLVE_NO_XDEV));
    const auto entries = read_directory(dir.get());
    if (!entries) return fail_errno("read a directory");
    while (const dirent* entry = next_entry(entries.get())) {
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
    if (errno != 0) return fail_errno(fmt::format("read {}", sub));
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
    while (const dirent* entry = next_entry(entries.get())) {
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
    if (errno != 0) return fail_errno("read a directory");
    return clean;
}

/// Somebody who keeps making files could keep us here: so many passes, then it is an error.
constexpr int kMostPasses = 100000;

}  // namespace

Result<void> empty_directory(int top) {
    std::uint64_t counter = 0;
    for (int pass = 0; pass < kMostPasses; ++pass) {
        TRY(const bool clean, empty_once(top, counter));
        if (clean) return {};
    }
    return fail_errno("empty a directory", EBUSY);
}

Result<void> throw_away(int parent, const std::string& name, const std::string& trash) {
    TRY(const Fd into, sys::open(trash, kDirectory | O_NOFOLLOW));
    for (int i = 0; i < kMostNames; ++i) {
        const std::string as = fmt::format("{:x}-{}", boottime_ns(), i);
        if (::renameat2(parent, name.c_str(), into.get(), as.c_str(), RENAME_NOREPLACE) == 0) {
            return {};
        }
        if (errno != EEXIST) break;
    }
    return fail_errno("throw away " + name);
}

Result<bool> has_trash(const std::string& trash) {
    TRY(const Fd directory, sys::open(trash, kDirectory | O_NOFOLLOW));
    const auto entries = read_directory(directory.get());
    if (!entries) return fail_errno("read " + trash);
    while (const dirent* entry = next_entry(entries.get())) {
        if (!is_dot(entry->d_name)) return true;
    }
    if (errno != 0) return fail_errno("read " + trash);
    return false;
}

Result<void> empty_trash(const std::string& trash) {
    TRY(const Fd directory, sys::open(trash, kDirectory | O_NOFOLLOW));
    return empty_directory(directory.get());
}

}  // namespace jailsvc::jailer
