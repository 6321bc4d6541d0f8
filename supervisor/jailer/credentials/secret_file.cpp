#include "jailer/credentials/secret_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/trust.hpp"

namespace jailsvc::jailer {
namespace {

/// One component of the path.
struct Step {
    std::string name;
    std::string shown;  ///< the path up to here
    bool directory = true;
    /// Others may write the directory if it is sticky: they cannot replace a directory of root's in
    /// it, and one of theirs is refused. A file they could link there (link(2), unless
    /// fs.protected_hardlinks is set).
    bool may_be_shared = false;
};

std::vector<Step> steps_of(const std::string& path) {
    std::vector<Step> steps{{"/", "/"}};
    std::size_t begin = path.find_first_not_of('/');
    while (begin != std::string::npos) {
        const std::size_t end = path.find('/', begin);
        steps.push_back({path.substr(begin, end - begin), path.substr(0, end)});
        begin = end == std::string::npos ? end : path.find_first_not_of('/', end);
    }
    steps.back().directory = false;
    for (std::size_t i = 0; i + 2 < steps.size(); ++i) steps[i].may_be_shared = true;
    return steps;
}

Result<void> check_owner(struct stat info, const Step& step) {
    const bool shared = step.may_be_shared && (info.st_mode & S_ISVTX) != 0;
    if (shared) info.st_mode &= ~static_cast<mode_t>(S_IWGRP | S_IWOTH);
    const std::string objection = trust_objection(info, step.shown);
    if (objection.empty()) return {};
    return fail(step.shown + ": " + objection, EPERM);
}

/// One step further. O_NONBLOCK: a FIFO put there must not make us wait for its writer (fifo(7)).
Result<Fd> take(int dir, const Step& step) {
    constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    Fd fd(::openat(dir, step.name.c_str(), kFlags | (step.directory ? O_DIRECTORY : 0)));
    const int code = errno;
    // With O_DIRECTORY a link is ENOTDIR, as a file is (open(2)).
    struct stat info{};
    const bool link = !fd && ::fstatat(dir, step.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISLNK(info.st_mode);
    if (link) return fail(step.shown + ": is a symbolic link; name where it leads", ELOOP);
    if (!fd) return fail_errno(step.shown, code);
    if (::fstat(fd.get(), &info) == -1) return fail_errno(step.shown);
    if (!step.directory && !S_ISREG(info.st_mode)) {
        return fail(step.shown + ": is no regular file", EINVAL);
    }
    TRY_VOID(check_owner(info, step));
    return fd;
}

}  // namespace

Result<Fd> open_secret_file(const std::string& path, Readers readers) {
    Fd at;
    for (const Step& step : steps_of(path)) {
        TRY(at, take(at ? at.get() : AT_FDCWD, step));
    }
    struct stat info{};
    if (::fstat(at.get(), &info) == -1) return fail_errno(path);
    if (readers == Readers::kNotEverybody && (info.st_mode & S_IROTH) != 0) {
        return fail(fmt::format("{}: everybody can read it (mode {:04o}); chmod o-r it, and change "
                                "the secret",
                                path, info.st_mode & 07777),
                    EPERM);
    }
    return at;
}

}  // namespace jailsvc::jailer
