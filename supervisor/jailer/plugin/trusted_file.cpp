#include "jailer/plugin/trusted_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/trust.hpp"

namespace jailsvc::jailer {
namespace {

Result<Fd> open_trusted(int dir, const std::string& name, const std::string& shown, int flags,
                        mode_t type) {
    // O_NONBLOCK: a FIFO put there must not make us wait for its writer (fifo(7)).
    const int raw =
        ::openat(dir, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags);
    Fd fd(raw);
    if (!fd && errno == ELOOP) {
        return fail(shown + ": is a symbolic link; put the file itself there", ELOOP);
    }
    if (!fd) return fail_errno(shown);
    struct stat info{};
    if (::fstat(fd.get(), &info) == -1) return fail_errno(shown);
    if ((info.st_mode & S_IFMT) != type) {
        return fail(shown + (type == S_IFDIR ? ": is no directory" : ": is no regular file"));
    }
    const std::string objection = trust_objection(info, shown);
    if (!objection.empty()) return fail(fmt::format("{}: {}", shown, objection));
    return fd;
}

}  // namespace

Result<Fd> open_trusted_file(int dir, const std::string& name, const std::string& shown) {
    return open_trusted(dir, name, shown, 0, S_IFREG);
}

Result<Fd> open_trusted_directory(const std::string& path) {
    return open_trusted(AT_FDCWD, path, path, O_DIRECTORY, S_IFDIR);
}

}  // namespace jailsvc::jailer
