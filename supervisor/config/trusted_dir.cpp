#include "config/trusted_dir.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/sys.hpp"
#include "base/trust.hpp"
#include "config/raw.hpp"

namespace jailsvc::config {
namespace {

/// Entries of one directory that are looked at; more is an accident or an attack.
constexpr std::size_t kMaxEntries = 65536;
constexpr const char* kFileMode = "0644";
constexpr const char* kDirectoryMode = "0755";

/// The reason alone: messages begin with the file's path already.
std::unexpected<Error> why(int code) {
    if (code == ELOOP) return fail("is a symbolic link; put the file itself here", code);
    return fail(::strerrordesc_np(code), code);
}

/// The supervisor's engine reads these files without root's powers: say who it is.
std::unexpected<Error> why_unopened(int code, const char* mode, const std::string& path) {
    if (code != EACCES) return why(code);
    return fail(fmt::format("{}; the supervisor reads it as uid {}, so everybody must be able to; "
                            "run: chmod {} {}",
                            ::strerrordesc_np(code), ::geteuid(), mode, path),
                code);
}

Result<Fd> open_checked(Fd fd, mode_t type, Trust trust, const std::string& path) {
    struct stat info{};
    if (::fstat(fd.get(), &info) == -1) return why(errno);
    if ((info.st_mode & S_IFMT) != type) {
        return fail(type == S_IFDIR ? "is not a directory; name one, or remove it"
                                    : "is not a regular file; put a file here, or remove it",
                    EINVAL);
    }
    if (trust == Trust::kAny) return fd;
    const std::string objection = trust_objection(info, path);
    if (!objection.empty()) return fail(objection, EPERM);
    return fd;
}

}  // namespace

TrustedDir::TrustedDir(Fd fd, std::string path, Trust trust)
    : fd_(std::move(fd)), path_(std::move(path)), trust_(trust) {}

Result<TrustedDir> TrustedDir::open(const std::string& path, Trust trust) {
    auto raw = sys::open(path, O_RDONLY | O_DIRECTORY);
    if (!raw) return why_unopened(raw.error().code, kDirectoryMode, path);
    TRY(Fd fd, open_checked(std::move(*raw), S_IFDIR, trust, path));
    return TrustedDir(std::move(fd), path, trust);
}

Result<TrustedDir> TrustedDir::open_below(const std::string& name) const {
    auto raw = sys::open_beneath(fd_.get(), name, O_RDONLY | O_DIRECTORY,
                                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!raw) return why_unopened(raw.error().code, kDirectoryMode, path_of(name));
    TRY(Fd fd, open_checked(std::move(*raw), S_IFDIR, trust_, path_of(name)));
    return TrustedDir(std::move(fd), path_of(name), trust_);
}

Result<std::string> TrustedDir::read(const std::string& name) const {
    // O_NONBLOCK: a fifo in a file's place must not hold us up (open(2)).
    auto raw = sys::open_beneath(fd_.get(), name, O_RDONLY | O_NONBLOCK | O_NOCTTY,
                                 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!raw) return why_unopened(raw.error().code, kFileMode, path_of(name));
    TRY(const Fd fd, open_checked(std::move(*raw), S_IFREG, trust_, path_of(name)));
    auto content = sys::read_fd(fd.get(), kMaxFileSize);
    if (content) return content;
    if (content.error().code != EFBIG) return why(content.error().code);
    return fail(fmt::format("longer than {} bytes; split it into drop-ins", kMaxFileSize), EFBIG);
}

bool TrustedDir::has(const std::string& name) const {
    struct stat info{};
    if (name.starts_with('.')) return false;
    if (::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) return true;
    // What cannot be looked at may be there: to open it will tell why.
    return errno != ENOENT && errno != ENOTDIR;
}

bool TrustedDir::has_file(const std::string& name) const {
    struct stat info{};
    return ::fstatat(fd_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(info.st_mode);
}

Result<std::vector<std::string>> TrustedDir::list() const {
    // A description of its own, so that reading it does not move the offset of ours.
    TRY(Fd fd, sys::open_beneath(fd_.get(), ".", O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH));
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), ::closedir);
    if (!dir) return why(errno);
    (void)fd.release();  // closedir closes it
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(dir.get())) {
        if (entry->d_name[0] == '.') continue;
        if (names.size() == kMaxEntries) {
            return fail(fmt::format("more than {} entries", kMaxEntries), E2BIG);
        }
        names.emplace_back(entry->d_name);
    }
    if (errno != 0) return why(errno);
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace jailsvc::config
