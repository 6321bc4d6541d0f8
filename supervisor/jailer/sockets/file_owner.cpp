#include "jailer/sockets/file_owner.hpp"

#include <grp.h>
#include <pwd.h>

#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>

namespace jailsvc::jailer {
namespace {

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::optional<std::uint32_t> number_in(const std::string& text) {
    constexpr std::uint32_t kNobody = ~0U;  // chown(2) takes it for "as it is"
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && number != kNobody ? std::optional(number) : std::nullopt;
}

Result<uid_t> find_user(const std::string& name) {
    if (const auto number = number_in(name)) return *number;
    const File file(std::fopen("/etc/passwd", "re"));
    while (const passwd* entry = file ? ::fgetpwent(file.get()) : nullptr) {
        if (name == entry->pw_name) return entry->pw_uid;
    }
    return fail("owner: there is no user " + name + " in /etc/passwd", ENOENT);
}

Result<gid_t> find_group(const std::string& name) {
    if (const auto number = number_in(name)) return *number;
    const File file(std::fopen("/etc/group", "re"));
    while (const group* entry = file ? ::fgetgrent(file.get()) : nullptr) {
        if (name == entry->gr_name) return entry->gr_gid;
    }
    return fail("group: there is no group " + name + " in /etc/group", ENOENT);
}

}  // namespace

Result<FileOwner> file_owner(const std::string& user, const std::string& group) {
    FileOwner owner;
    if (!user.empty()) {
        TRY(owner.uid, find_user(user));
    }
    if (!group.empty()) {
        TRY(owner.gid, find_group(group));
    }
    return owner;
}

}  // namespace jailsvc::jailer
