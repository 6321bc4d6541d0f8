#include "verify/sight.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/fd.hpp"

namespace jailsvc::verify {
namespace {

using Kind = Sight::Kind;

bool is_within(std::string_view path, std::string_view folder) {
    if (folder == "/" || path == folder) return true;
    return path.starts_with(folder) && path[folder.size()] == '/';
}

Kind kind_of(const struct stat& info) {
    if (S_ISDIR(info.st_mode)) return Kind::kDirectory;
    if (!S_ISREG(info.st_mode)) return Kind::kUnknown;
    return (info.st_mode & 0111) != 0 ? Kind::kExecutable : Kind::kFile;
}

Kind kind_of_error(int code) {
    return code == ENOENT || code == ENOTDIR ? Kind::kMissing : Kind::kUnknown;
}

/// What `rest` is below a directory. Links of a root lead inside it, as they will in the jail;
/// those that leave the source of a bind lead elsewhere in the jail, which is not looked at
/// (openat2(2)).
Kind look_below(const std::string& directory, std::string_view rest, std::uint64_t resolve) {
    const Fd dir(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!dir) return kind_of_error(errno);
    const open_how how{.flags = O_PATH | O_CLOEXEC, .mode = 0, .resolve = resolve};
    const std::string name(rest.empty() ? "." : rest);
    const Fd found(
        static_cast<int>(::syscall(SYS_openat2, dir.get(), name.c_str(), &how, sizeof how)));
    if (!found) return kind_of_error(errno);
    struct stat info{};
    if (::fstat(found.get(), &info) == -1) return Kind::kUnknown;
    return kind_of(info);
}

std::string_view rest_of(std::string_view path, std::string_view folder) {
    path.remove_prefix(std::min(path.size(), folder.size()));
    while (path.starts_with('/')) path.remove_prefix(1);
    return path;
}

bool exists(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 || errno != ENOENT;
}

}  // namespace

Sight::Sight(const jailer::Plan& plan) {
    for (const jailer::Op& op : plan.ops) add(op);
    if (!exists(root_)) missing_root_ = root_;
}

void Sight::add(const jailer::Op& op) {
    if (op.kind == JSV_OP_ROOT) {
        root_ = op.text[0];
    } else if (op.kind == JSV_OP_HOST_DIRECTORY) {
        made_.push_back(op.text[0]);
    } else if (op.kind == JSV_OP_VIEW) {
        is_view_ = true;
    } else if (op.kind == JSV_OP_REVEAL) {
        revealed_.push_back(op.text[0]);
    } else {
        show(op);
    }
}

/// An optional one of which the host lacks the path is passed over at the start too.
void Sight::show(const jailer::Op& op) {
    const bool optional = (op.flags & JSV_MOUNT_OPTIONAL) != 0;
    if (op.kind == JSV_OP_BIND) {
        if (!optional || exists(op.text[0])) covers_.push_back({op.text[1], op.text[0]});
    } else if (op.kind == JSV_OP_TMPFS) {
        covers_.push_back({op.text[0], {}});
    } else if (op.kind == JSV_OP_MASK) {
        const bool covers = !optional || exists(root_ + op.text[0]);
        if (covers) covers_.push_back({op.text[0], {}});
    }
}

/// Directories that a start makes, and mount points in trees that were empty.
bool Sight::is_made(const std::string& path) const {
    return std::ranges::any_of(covers_, [&](const Cover& cover) {
        const bool by_start = std::ranges::find(made_, cover.source) != made_.end();
        return is_within(cover.path, path) || (by_start && is_within(path, cover.path));
    });
}

Sight::Found Sight::look(const std::string& path) const {
    // What is in these is the kernel's; what the loader is given with them nobody knows here.
    if (is_within(path, "/proc") || is_within(path, "/dev") || is_within(path, "/sys")) return {};
    const auto shows = [&](const std::string& part) {
        return is_within(path, part) || is_within(part, path);
    };
    if (is_view_ && std::ranges::none_of(revealed_, shows)) return {Kind::kHidden, "[jail.unveil]"};
    const auto cover = std::find_if(covers_.rbegin(), covers_.rend(),
                                    [&](const Cover& one) { return is_within(path, one.path); });
    if (cover == covers_.rend()) {
        if (!missing_root_.empty()) return {};
        const Kind kind = look_below(root_, rest_of(path, "/"), RESOLVE_IN_ROOT);
        return {kind == Kind::kMissing && is_made(path) ? Kind::kUnknown : kind, {}};
    }
    const bool is_empty = cover->source.empty();
    if (is_empty && path == cover->path) return {Kind::kDirectory, {}};
    if (is_made(path) && (is_empty || !exists(cover->source))) return {};
    if (is_empty) return {Kind::kHidden, cover->path};
    const std::string_view rest = rest_of(path, cover->path);
    struct stat info{};
    if (!rest.empty()) return {look_below(cover->source, rest, RESOLVE_BENEATH), {}};
    if (::stat(cover->source.c_str(), &info) == -1) return {kind_of_error(errno), {}};
    return {kind_of(info), {}};
}

}  // namespace jailsvc::verify
