#include "users.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace jailsvc::identity {

namespace {

using jsv::Planner;

constexpr std::size_t kMaxGroups = 65536;  // NGROUPS_MAX of Linux
constexpr std::size_t kMaxNameLength = 64;

/// uid_t and gid_t -1 mean "leave unchanged" to setresuid(2); 65535 is the -1 of 16-bit ids.
bool is_reserved(std::uint64_t id) {
    return id == 65535 || id >= UINT32_MAX;
}

/// [A-Za-z_][A-Za-z0-9_.-]*: so "0x0", "-1", "+0" and "" are neither names nor numbers.
bool is_account_name(const std::string& name) {
    constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    if (name.empty() || name.size() > kMaxNameLength) return false;
    if (std::string_view(kLetters).find(name.front()) == std::string_view::npos) return false;
    return name.find_first_not_of(std::string(kLetters) + "0123456789.-") == std::string::npos;
}

std::string malformed(const std::string& text, const char* what) {
    return "\"" + text + "\" is neither a " + what +
           " name nor a decimal number from 0 to "
           "4294967294 (65535 is reserved)";
}

/// The gid of a name or number; the refusal goes to `name`, the key it came from.
gid_t find_group(Planner& plan, const char* name, const std::string& text) {
    if (const auto number = jsv::parse_decimal(text, UINT32_MAX)) {
        if (is_reserved(*number)) plan.fail(name, malformed(text, "group"));
        return static_cast<gid_t>(*number);
    }
    if (!is_account_name(text)) {
        plan.fail(name, malformed(text, "group"));
        return 0;
    }
    const group* entry = ::getgrnam(text.c_str());
    if (entry == nullptr) {
        plan.fail(name, "there is no group \"" + text + "\"; create it (groupadd --system " + text +
                            ") or name another");
        return 0;
    }
    return entry->gr_gid;
}

struct Account {
    uid_t uid = 0;
    std::optional<gid_t> gid{};  ///< absent for a number that no account has
    std::string name{};          ///< empty likewise
    std::string home{};
};

/// Looks `text` up. Only "root" and "0" give uid 0, whatever the user database says.
std::optional<Account> find_user(Planner& plan, const std::string& text) {
    const auto number = jsv::parse_decimal(text, UINT32_MAX);
    if (number ? is_reserved(*number) : !is_account_name(text)) {
        plan.fail("user", malformed(text, "user"));
        return std::nullopt;
    }
    const passwd* entry =
        number ? ::getpwuid(static_cast<uid_t>(*number)) : ::getpwnam(text.c_str());
    if (entry == nullptr && number) return Account{.uid = static_cast<uid_t>(*number)};
    if (entry == nullptr) {
        plan.fail("user", "there is no user \"" + text + "\"; create it (useradd --system " + text +
                              "), or use dynamic_user = true");
        return std::nullopt;
    }
    if (entry->pw_uid == 0 && text != "root" && text != "0") {
        plan.fail("user", "\"" + text + "\" has uid 0; say user = \"root\" if you mean it");
        return std::nullopt;
    }
    return Account{entry->pw_uid, entry->pw_gid, entry->pw_name, entry->pw_dir};
}

/// The user's groups in the group database (getgrouplist(3)), without `primary`.
std::vector<std::uint32_t> groups_of(const std::string& user, gid_t primary) {
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgrouplist(user.c_str(), primary, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));  // now the true count
        if (::getgrouplist(user.c_str(), primary, groups.data(), &count) < 0) count = 0;
    }
    groups.resize(static_cast<std::size_t>(count));
    std::erase(groups, primary);
    return {groups.begin(), groups.end()};
}

void add_supplementary(Planner& plan, std::vector<std::uint32_t>& groups) {
    const char* const name = "supplementary_groups";
    for (const auto& text : plan.list(name).value_or(std::vector<std::string>{})) {
        groups.push_back(find_group(plan, name, text));
    }
    std::ranges::sort(groups);
    groups.erase(std::ranges::unique(groups).begin(), groups.end());
    if (groups.size() > kMaxGroups) plan.fail(name, "the kernel takes at most 65536 groups");
}

void add_environment(Planner& plan, const Account& account) {
    if (account.name.empty()) return;
    const std::pair<const char*, std::string> variables[] = {
        {"USER", account.name}, {"LOGNAME", account.name}, {"HOME", account.home}};
    for (const auto& [name, value] : variables) {
        plan.add({.kind = JSV_OP_ENVIRONMENT, .key = "user", .text = {name, value}});
    }
}

}  // namespace

void add_dynamic_user(Planner& plan) {
    if (plan.text("user")) plan.fail("user", "needs dynamic_user = false beside it");
    if (plan.text("group"))
        plan.fail("group", "a dynamic user brings its own; drop it, or set dynamic_user = false");
    std::vector<std::uint32_t> groups;
    add_supplementary(plan, groups);
    plan.add({.kind = JSV_OP_IDS,
              .key = "dynamic_user",
              .flags = JSV_IDS_DYNAMIC,
              .blob = std::move(groups)});
}

uid_t add_fixed_user(Planner& plan) {
    const auto text = plan.text("user");
    if (!text) {
        plan.fail("user",
                  "is missing; name one, use dynamic_user = true, or say user = \"root\" "
                  "if you mean it");
        return 0;
    }
    const auto account = find_user(plan, *text);
    if (!account) return 0;
    const auto named = plan.text("group");
    if (!named && !account->gid) {
        plan.fail("group",
                  "user " + *text + " has no account to take the group from; name a group");
        return account->uid;
    }
    const gid_t gid = named ? find_group(plan, "group", *named) : *account->gid;
    std::vector<std::uint32_t> groups;
    if (!account->name.empty()) groups = groups_of(account->name, gid);
    add_supplementary(plan, groups);
    add_environment(plan, *account);
    plan.add({.kind = JSV_OP_IDS,
              .key = "user",
              .number = {account->uid, gid},
              .blob = std::move(groups)});
    return account->uid;
}

}  // namespace jailsvc::identity
