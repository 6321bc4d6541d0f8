#include "site_write.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/sys.hpp"
#include "base/trust.hpp"
#include "context.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

/// What went wrong with a file, the cure, and the exit code.
std::unexpected<Error> why(const std::string& path, int code) {
    const char* text = ::strerrordesc_np(code);
    switch (code) {
        case EACCES:
        case EPERM:
            return fail(fmt::format("{}: {}; run it as root", path, text), kNotPermitted);
        case EROFS:
            return fail(fmt::format("{}: {}; mount it writable, or do this where the image is made",
                                    path, text),
                        kFailure);
        case ELOOP:
            return fail(path + ": is a symbolic link; put what it leads to in its place", kFailure);
        case ENOTDIR:
            return fail(path + ": is not a directory; remove it", kFailure);
        default:
            return fail(fmt::format("{}: {}", path, text), kFailure);
    }
}

/// A directory held open, so that what was checked is what is written to.
struct Folder {
    Fd fd;
    std::string path;
};

Result<Folder> checked_folder(Fd fd, const std::string& path) {
    struct stat info{};
    if (::fstat(fd.get(), &info) == -1) return why(path, errno);
    const std::string objection = trust_objection(info, path);
    if (!objection.empty()) return fail(path + ": " + objection, kFailure);
    return Folder{std::move(fd), path};
}

/// Code ENOENT where there is none; all other codes are exit codes, as everywhere below.
Result<Folder> open_site(const SiteFile& file) {
    auto fd = sys::open(file.site, O_RDONLY | O_DIRECTORY);
    if (!fd && fd.error().code == ENOENT) return std::unexpected(fd.error());
    if (!fd) return why(file.site, fd.error().code);
    return checked_folder(std::move(*fd), file.site);
}

/// Likewise.
Result<Folder> open_folder(const SiteFile& file) {
    TRY(Folder site, open_site(file));
    if (file.folder.empty()) return site;
    const std::string path = file.site + "/" + file.folder;
    auto fd = sys::open_beneath(site.fd.get(), file.folder, O_RDONLY | O_DIRECTORY, kResolve);
    if (!fd && fd.error().code == ENOENT) return std::unexpected(fd.error());
    if (!fd) return why(path, fd.error().code);
    return checked_folder(std::move(*fd), path);
}

Result<void> sync(const Folder& folder) {
    if (::fsync(folder.fd.get()) == -1) return why(folder.path, errno);
    return {};
}

/// open_folder, with what is missing made. The modes do not depend on the caller's umask.
Result<Folder> make_folder(const SiteFile& file) {
    const mode_t before = ::umask(022);
    const auto made = sys::make_directories(file.site);
    ::umask(before);
    if (!made) return why(file.site, made.error().code);
    if (file.folder.empty()) return open_folder(file);
    TRY(const Folder site, open_folder({file.site, {}, {}}));
    const bool is_new = ::mkdirat(site.fd.get(), file.folder.c_str(), 0755) == 0;
    if (!is_new && errno != EEXIST) return why(file.site + "/" + file.folder, errno);
    TRY(Folder folder, open_folder(file));
    if (!is_new) return folder;
    if (::fchmod(folder.fd.get(), 0755) == -1) return why(folder.path, errno);
    TRY_VOID(sync(site));
    return folder;
}

Result<void> write_all(int fd, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return why(path, errno);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

/// A new file, on disk.
Result<void> write_new(const Folder& folder, const std::string& name, std::string_view text) {
    const std::string path = folder.path + "/" + name;
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const Fd fd(::openat(folder.fd.get(), name.c_str(), flags, 0644));
    if (!fd) return why(path, errno);
    TRY_VOID(write_all(fd.get(), text, path));
    if (::fchmod(fd.get(), 0644) == -1 || ::fsync(fd.get()) == -1) return why(path, errno);
    return {};
}

}  // namespace

SiteFile drop_in_of(const std::string& site, const std::string& unit, std::string_view file) {
    return {.site = site, .folder = unit + ".toml.d", .name = std::string(file)};
}

namespace {

/// `flags`: of renameat2(2).
Result<void> write_file(const SiteFile& file, std::string_view text, unsigned flags) {
    TRY(const Folder folder, make_folder(file));
    const int dir = folder.fd.get();
    // With a dot first it is no unit and no drop-in, should we be killed before it has its name.
    const std::string temporary = fmt::format(".{}.{}.new", file.name, ::getpid());
    ::unlinkat(dir, temporary.c_str(), 0);  // of a process before us that had our number
    auto written = write_new(folder, temporary, text);
    if (written && ::renameat2(dir, temporary.c_str(), dir, file.name.c_str(), flags) == -1) {
        written = why(file.path(), errno);
    }
    if (!written) {
        ::unlinkat(dir, temporary.c_str(), 0);
        return written;
    }
    return sync(folder);
}

}  // namespace

Result<void> write_site_file(const SiteFile& file, std::string_view text) {
    return write_file(file, text, 0);
}

Result<void> write_new_site_file(const SiteFile& file, std::string_view text) {
    return write_file(file, text, RENAME_NOREPLACE);
}

Result<bool> remove_site_file(const SiteFile& file) {
    const auto folder = open_folder(file);
    if (!folder && folder.error().code == ENOENT) return false;
    if (!folder) return std::unexpected(folder.error());
    if (::unlinkat(folder->fd.get(), file.name.c_str(), 0) == -1) {
        if (errno == ENOENT) return false;
        return why(file.path(), errno);
    }
    TRY_VOID(sync(*folder));
    if (file.folder.empty()) return true;
    // Not where something else is in it, which is no error of ours.
    TRY(const Folder site, open_folder({file.site, {}, {}}));
    if (::unlinkat(site.fd.get(), file.folder.c_str(), AT_REMOVEDIR) == 0) TRY_VOID(sync(site));
    return true;
}

Result<std::optional<std::string>> read_site_file(const SiteFile& file) {
    const auto folder = open_folder(file);
    if (!folder && folder.error().code == ENOENT) return std::nullopt;
    if (!folder) return std::unexpected(folder.error());
    auto fd = sys::open_beneath(folder->fd.get(), file.name, O_RDONLY | O_NONBLOCK, kResolve);
    if (!fd && fd.error().code == ENOENT) return std::nullopt;
    if (!fd) return why(file.path(), fd.error().code);
    auto text = sys::read_fd(fd->get());
    if (!text) return why(file.path(), text.error().code);
    return std::move(*text);
}

}  // namespace jailsvc::ctl
