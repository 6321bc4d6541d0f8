#include "jailer/sockets/trusted_path.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <deque>

#include "base/trust.hpp"

namespace jailsvc::jailer {
namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr int kMostLinks = 40;  ///< as the kernel has it (path_resolution(7))

using Parts = std::deque<std::string>;

Parts split(const std::string& path) {
    Parts parts;
    for (std::size_t from = 0; from < path.size();) {
        const std::size_t slash = std::min(path.find('/', from), path.size());
        if (slash > from) parts.push_back(path.substr(from, slash - from));
        from = slash + 1;
    }
    return parts;
}

/// What is there, made if there was nothing.
Result<struct stat> look(const std::string& at) {
    struct stat info{};
    if (::lstat(at.c_str(), &info) == 0) return info;
    if (errno != ENOENT) return fail_errno(at);
    if (::mkdir(at.c_str(), kDirectoryMode) == -1 && errno != EEXIST) {
        return fail_errno("mkdir " + at);
    }
    if (::lstat(at.c_str(), &info) == -1) return fail_errno(at);
    return info;
}

Result<void> require_trusted(const std::string& path, const std::string& at,
                             const struct stat& info) {
    if (!S_ISDIR(info.st_mode)) return fail(at + ": not a directory", ENOTDIR);
    if (trust_objection(info, at).empty()) return {};
    return fail(fmt::format("{}: others than root may write in {}, and so lead the socket "
                            "elsewhere; use a directory of root's, such as /run/NAME",
                            path, at),
                EPERM);
}

}  // namespace

Result<void> make_trusted_parent(const std::string& path) {
    Parts rest = split(path);
    if (!rest.empty()) rest.pop_back();
    std::string at = "/";
    struct stat root{};
    if (::lstat("/", &root) == -1) return fail_errno("/");
    TRY_VOID(require_trusted(path, at, root));
    for (int links = 0; !rest.empty();) {
        const std::string part = std::move(rest.front());
        rest.pop_front();
        if (part == ".") continue;
        if (part == "..") {
            at.resize(std::max<std::size_t>(at.rfind('/'), 1));
            continue;
        }
        const std::string next = fmt::format("{}{}{}", at, at == "/" ? "" : "/", part);
        TRY(const struct stat info, look(next));
        if (!S_ISLNK(info.st_mode)) {
            TRY_VOID(require_trusted(path, next, info));
            at = next;
            continue;
        }
        // It lies in a directory of root's, so it is root's word.
        char target[PATH_MAX];
        const ssize_t size = ::readlink(next.c_str(), target, sizeof target);
        if (size < 0) return fail_errno("readlink " + next);
        if (++links > kMostLinks) return fail(path + ": too many symbolic links", ELOOP);
        const std::string text(target, static_cast<std::size_t>(size));
        const Parts more = split(text);
        rest.insert(rest.begin(), more.begin(), more.end());
        if (text.starts_with('/')) at.assign(1, '/');
    }
    return {};
}

}  // namespace jailsvc::jailer
