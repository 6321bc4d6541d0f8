#include "jailer/loop/account_lists.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/sys.hpp"
#include "jailer/plan/account_view.hpp"

namespace jailsvc::jailer {
namespace {

/// Of a host's or an image's own file; a longer one is a directory's export [bytes].
constexpr std::size_t kMaxBase = 1U << 20;
constexpr std::size_t kMaxAccountName = 31;  // of useradd(8)

using Line = std::string (*)(const std::string& name, uid_t uid);

std::string passwd_line(const std::string& name, uid_t uid) {
    return fmt::format("{0}:x:{1}:{1}::/:/usr/sbin/nologin\n", name, uid);
}

std::string group_line(const std::string& name, uid_t uid) {
    return fmt::format("{}:x:{}:\n", name, uid);
}

/// What stands before the first colon of each line.
AccountNames names_in(std::string_view text) {
    AccountNames names;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        names.emplace(line.substr(0, line.find(':')));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
    return names;
}

/// A file of the tree that may be an image anybody made: its links lead inside, and a pipe in its
/// place does not keep us waiting.
Result<std::string> read_base(const std::string& root, const std::string& name) {
    TRY(const Fd tree, sys::open(root, O_PATH | O_DIRECTORY));
    TRY(const Fd file, sys::open_beneath(tree.get(), name, O_RDONLY | O_NONBLOCK,
                                         RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
    struct stat info{};
    if (::fstat(file.get(), &info) == -1) return fail_errno(name);
    if (!S_ISREG(info.st_mode)) return fail(name + ": no regular file", EINVAL);
    TRY(std::string text, sys::read_fd(file.get(), kMaxBase));
    if (!text.empty() && text.back() != '\n') text += '\n';
    return text;
}

/// In place. What stays as it was is not written, so that who reads meanwhile finds whole lines.
Result<void> rewrite(const std::string& path, const std::string& text) {
    TRY(const Fd file, sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
    TRY(const std::string before, sys::read_fd(file.get(), 16 * kMaxBase));
    const auto same = std::ranges::mismatch(before, text).in2 - text.begin();
    std::string_view rest = std::string_view(text).substr(static_cast<std::size_t>(same));
    for (off_t at = same; !rest.empty();) {
        const ssize_t count = ::pwrite(file.get(), rest.data(), rest.size(), at);
        if (count == -1 && errno == EINTR) continue;
        if (count <= 0) return fail_errno(path);
        rest.remove_prefix(static_cast<std::size_t>(count));
        at += count;
    }
    if (::ftruncate(file.get(), static_cast<off_t>(text.size())) == -1) return fail_errno(path);
    // The umask may have taken from the mode; everybody reads these files.
    return ::fchmod(file.get(), 0644) == -1 ? fail_errno(path) : Result<void>();
}

using Users = std::vector<std::pair<uid_t, std::string>>;

Result<void> write_with(const std::string& path, std::string text, const Users& users, Line line) {
    AccountNames taken = names_in(text);
    for (const auto& [uid, unit] : users) {
        const std::string name = account_name(unit, uid, taken);
        text += line(name, uid);
        taken.insert(name);
    }
    return rewrite(path, text);
}

/// Where the tree has none there is nothing to be shown in its place.
Result<void> write_files(const std::string& root, const AccountFiles& files, const Users& users) {
    for (const auto& [name, path, line] : {std::tuple{"etc/passwd", files.passwd, &passwd_line},
                                           std::tuple{"etc/group", files.group, &group_line}}) {
        auto base = read_base(root, name);
        if (base) {
            TRY_VOID(write_with(path, std::move(*base), users, line));
            continue;
        }
        (void)::unlink(path.c_str());
        if (base.error().code != ENOENT) return std::unexpected(std::move(base).error());
    }
    return {};
}

}  // namespace

std::string account_name(const std::string& unit, uid_t uid, const AccountNames& taken) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '-';
    };
    std::string name = unit;
    for (char& c : name) {
        if (!fits(c)) c = '-';
    }
    const bool begins = !name.empty() && fits(name[0]) && !(name[0] >= '0' && name[0] <= '9') &&
                        name[0] != '-' && name[0] != '.';
    if (!begins) name.insert(name.begin(), '_');
    const bool whole = name == unit && name.size() <= kMaxAccountName;
    if (whole && !taken.contains(name)) return name;
    const std::string number = fmt::format("-{}", uid);
    name = name.substr(0, kMaxAccountName - number.size()) + number;
    return taken.contains(name) ? fmt::format("_jail{}", number) : name;
}

Result<void> AccountLists::list_all(Uids& uids) {
    Users users;
    for (const std::string& unit : uids.units()) {
        TRY(const uid_t uid, uids.allocate(unit));  // it has one
        users.emplace_back(uid, unit);
    }
    std::ranges::sort(users);
    TRY_VOID(write_files("/", account_files(root_, {}, "/"), users));
    listed_.clear();
    for (const auto& [uid, unit] : users) listed_.push_back(uid);
    return {};
}

Result<void> AccountLists::list(const std::string& unit, uid_t uid, const std::string& jail_root,
                                Uids& uids) {
    if (jail_root == "/" && std::ranges::binary_search(listed_, uid)) return {};
    TRY_VOID(sys::make_directories(root_ + "/units"));
    if (jail_root == "/") return list_all(uids);
    return write_files(jail_root, account_files(root_, unit, jail_root), {{uid, unit}});
}

void AccountLists::forget(const std::string& unit) {
    const AccountFiles files = account_files(root_, unit, "image");
    (void)::unlink(files.passwd.c_str());
    (void)::unlink(files.group.c_str());
}

}  // namespace jailsvc::jailer
