// identity: who a service is, and what it may do as such.
//
//   [jail.identity]
//   user = "www-data"                   # name or decimal number; root only as "root" or "0"
//   group = "www-data"                  # default: the user's own
//   dynamic_user = true                 # instead of user: a uid nobody else has
//   supplementary_groups = ["ssl-cert"]
//   capabilities = ["net_bind_service"] # bounding set; default none; "all"
//   ambient_capabilities = ["net_bind_service"]  # kept by a user who is not root
//   no_new_privileges = true            # default
//   umask = "0022"                      # default
//   [jail.identity.limits]
//   nofile = "1024:4096"                # soft:hard, or one number for both, or "infinity"
//   core = "0"                          # default
//
// Sources: credentials(7), capabilities(7), setrlimit(2), getgrouplist(3). Runs wholly in the
// [plan] phase; keeps no state. Names are looked up there, so the child never asks a name service.

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <jailsvc_plugin.hpp>

namespace {

using jsv::key;
using jsv::Planner;

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "user", nullptr, "User name or decimal uid; root only as \"root\" or \"0\"."),
    key(JSV_STRING, "group", nullptr, "Group name or decimal gid; default: the user's own."),
    key(JSV_BOOL, "dynamic_user", "false", "A uid and gid of the unit's own, allocated at start."),
    key(JSV_STRING_LIST, "supplementary_groups", nullptr, "Groups besides those of the user."),
    key(JSV_STRING_LIST, "capabilities", nullptr, "Bounding set, or [\"all\"]; default: none."),
    key(JSV_STRING_LIST, "ambient_capabilities", nullptr,
        "Capabilities a user other than root keeps; each also in capabilities."),
    key(JSV_BOOL, "no_new_privileges", "true", "No program gains rights by being executed."),
    key(JSV_STRING, "umask", "0022", "File mode creation mask, octal."),
    key(JSV_STRING_MAP, "limits", "{ core = \"0\" }",
        "Resource limits: NAME = \"SOFT:HARD\", one value for both, or \"infinity\"."),
};

constexpr std::size_t kMaxGroups = 65536;  // NGROUPS_MAX of Linux
constexpr std::size_t kMaxNameLength = 64;

// ---- user and groups --------------------------------------------------------------------------

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

void add_dynamic_user(Planner& plan) {
    if (plan.text("user")) plan.fail("user", "cannot be combined with dynamic_user; drop one");
    if (plan.text("group")) plan.fail("group", "a dynamic user brings its own; drop one");
    std::vector<std::uint32_t> groups;
    add_supplementary(plan, groups);
    plan.add({.kind = JSV_OP_IDS,
              .key = "dynamic_user",
              .flags = JSV_IDS_DYNAMIC,
              .blob = std::move(groups)});
}

/// Returns the uid.
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

// ---- capabilities -----------------------------------------------------------------------------

/// By number, as in linux/capability.h; capabilities(7).
constexpr std::array<std::string_view, CAP_LAST_CAP + 1> kCapabilities = {
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
};

/// What the supervisor has to give: the bounding set that the worker inherits from it (proc(5),
/// CapBnd). Read from /proc because the worker's sandbox has no prctl(2).
std::optional<std::uint64_t> own_bounding_set() {
    std::FILE* const status = std::fopen("/proc/self/status", "re");
    if (status == nullptr) return std::nullopt;
    std::optional<std::uint64_t> set;
    for (char line[256]; !set && std::fgets(line, sizeof line, status) != nullptr;) {
        if (std::string_view(line).starts_with("CapBnd:"))
            set = std::strtoull(line + 7, nullptr, 16);
    }
    std::fclose(status);
    return set;
}

/// "CAP_NET_RAW", "net_raw", …: as a bit; 0 if there is none of that name.
std::uint64_t capability_bit(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    std::string_view name = text;
    if (name.starts_with("cap_")) name.remove_prefix(4);
    const auto found = std::ranges::find(kCapabilities, name);
    if (found == kCapabilities.end()) return 0;
    return std::uint64_t{1} << (found - kCapabilities.begin());
}

std::uint64_t read_capabilities(Planner& plan, const char* name, std::uint64_t own) {
    std::uint64_t set = 0;
    for (const auto& text : plan.list(name).value_or(std::vector<std::string>{})) {
        const std::uint64_t bits = text == "all" ? own : capability_bit(text);
        if (bits == 0) {
            plan.fail(name, "there is no capability \"" + text +
                                "\"; see capabilities(7), or write \"all\"");
        }
        if ((bits & ~own) != 0) {
            plan.fail(name, "\"" + text +
                                "\" is not the supervisor's to give; start it with that "
                                "capability in its bounding set, or leave it out");
        }
        set |= bits;
    }
    return set;
}

/// A program of uid 0 gets its bounding set by execve(2); any other only what is ambient.
void add_capabilities(Planner& plan, bool is_root) {
    const auto own = own_bounding_set();
    if (!own) return plan.fail("capabilities", "cannot read /proc/self/status; mount /proc");
    const std::uint64_t bounding = read_capabilities(plan, "capabilities", *own);
    const std::uint64_t ambient = read_capabilities(plan, "ambient_capabilities", *own);
    if ((ambient & ~bounding) != 0) {
        plan.fail("ambient_capabilities", "holds what capabilities does not; add it there too");
    }
    plan.add({.kind = JSV_OP_CAPABILITIES,
              .key = "capabilities",
              .number = {bounding, is_root ? bounding : ambient, ambient}});
}

// ---- limits, umask ----------------------------------------------------------------------------

struct Limit {
    std::string_view name;
    std::uint64_t resource;
    bool is_bytes;  ///< takes K, M, G, T
};
constexpr Limit kLimits[] = {
    {"as", RLIMIT_AS, true},
    {"core", RLIMIT_CORE, true},
    {"cpu", RLIMIT_CPU, false},
    {"data", RLIMIT_DATA, true},
    {"fsize", RLIMIT_FSIZE, true},
    {"locks", RLIMIT_LOCKS, false},
    {"memlock", RLIMIT_MEMLOCK, true},
    {"msgqueue", RLIMIT_MSGQUEUE, true},
    {"nice", RLIMIT_NICE, false},
    {"nofile", RLIMIT_NOFILE, false},
    {"nproc", RLIMIT_NPROC, false},
    {"rss", RLIMIT_RSS, true},
    {"rtprio", RLIMIT_RTPRIO, false},
    {"rttime", RLIMIT_RTTIME, false},
    {"sigpending", RLIMIT_SIGPENDING, false},
    {"stack", RLIMIT_STACK, true},
};

std::optional<std::uint64_t> parse_limit(const Limit& limit, std::string_view text) {
    if (text == "infinity") return RLIM_INFINITY;
    return limit.is_bytes ? jsv::parse_bytes(text) : jsv::parse_decimal(text, RLIM_INFINITY - 1);
}

std::string limit_names() {
    std::string names;
    for (const auto& limit : kLimits)
        names += (names.empty() ? "" : ", ") + std::string(limit.name);
    return names;
}

void add_limit(Planner& plan, const std::string& name, std::string_view text) {
    const auto limit = std::ranges::find(kLimits, name, &Limit::name);
    if (limit == std::end(kLimits)) {
        return plan.fail("limits",
                         "there is no limit \"" + name + "\"; use one of " + limit_names());
    }
    const auto colon = text.find(':');
    const auto soft = parse_limit(*limit, text.substr(0, colon));
    const auto hard =
        colon == std::string_view::npos ? soft : parse_limit(*limit, text.substr(colon + 1));
    if (!soft || !hard || *soft > *hard) {
        return plan.fail("limits", name + ": \"" + std::string(text) +
                                       "\" is no limit; write \"SOFT:HARD\" with SOFT at most "
                                       "HARD, one number for both, or \"infinity\"");
    }
    plan.add({.kind = JSV_OP_RLIMIT, .key = "limits", .number = {limit->resource, *soft, *hard}});
}

void add_limits(Planner& plan) {
    const auto limits = plan.entries("limits");
    // A core file would leave a service's memory, secrets included, where it crashed.
    const bool has_core =
        std::ranges::any_of(limits, [](const auto& l) { return l.first == "core"; });
    if (!has_core) add_limit(plan, "core", "0");
    for (const auto& [name, value] : limits) add_limit(plan, name, value);
}

void add_umask(Planner& plan) {
    const std::string text = plan.text("umask").value_or("0022");
    const auto mask = jsv::parse_mode(text);
    if (!mask || *mask > 0777) {
        return plan.fail("umask", "\"" + text +
                                      "\" is no mask; write three or four octal digits, "
                                      "such as \"0027\"");
    }
    plan.add({.kind = JSV_OP_UMASK, .key = "umask", .number = {*mask}});
}

int plan(const jsv_host* host) {
    Planner planner(host);
    bool is_root = false;
    if (planner.flag("dynamic_user").value_or(false)) {
        add_dynamic_user(planner);
    } else {
        is_root = add_fixed_user(planner) == 0;
    }
    add_capabilities(planner, is_root);
    add_limits(planner);
    add_umask(planner);
    if (planner.flag("no_new_privileges").value_or(true)) {
        planner.add({.kind = JSV_OP_NO_NEW_PRIVS, .key = "no_new_privileges"});
    }
    return planner.result();
}

constexpr jsv_plugin kPlugin = {
    .size = sizeof(jsv_plugin),
    .abi_major = JSV_ABI_MAJOR,
    .abi_minor = JSV_ABI_MINOR,
    .key_count = std::size(kKeys),
    .name = "identity",
    .version = "1.0",
    .doc = "Who the service is, and what it may do as such.",
    .keys = kKeys,
    .plan = plan,
    .prepare = nullptr,
    .started = nullptr,
    .stats = nullptr,
    .doctor = nullptr,
    .teardown = nullptr,
};

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
