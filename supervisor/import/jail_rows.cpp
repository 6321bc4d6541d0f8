// [Service], what confines it. The profile "default" does much of what these ask for.

#include <fmt/format.h>

#include <sys/stat.h>
#include <algorithm>

#include "config/names.hpp"
#include "config/quantity.hpp"
#include "import/directive.hpp"

namespace jailsvc::import {
namespace {

Verdict take_user(Place& place, const char*) {
    const auto text = with_our_specifiers(place.value());
    if (!text || text->empty()) return left_out("names no user");
    place.draft.put("jail.identity", "user", *text);
    return {};
}

Verdict take_capabilities(Place& place, const char* key) {
    if (place.value().starts_with('~')) {
        return left_out("names what is taken away; capabilities lists what is left");
    }
    const auto [table, name] = table_key(key);
    const auto words = split_words(place.value());
    if (!words) return left_out(words.error().message);
    if (words->empty()) place.draft.put_list(table, name, {});
    for (const std::string& word : *words) {
        place.draft.add(table, name, config::plain_capability(word));
    }
    return {};
}

/// A capability that is kept over the change of user has to be in the bounding set too.
Verdict take_ambient(Place& place, const char*) {
    Verdict verdict = take_capabilities(place, "jail.identity.ambient_capabilities");
    if (verdict.outcome != Outcome::kTranslated) return verdict;
    return take_capabilities(place, "jail.identity.capabilities");
}

Verdict take_umask(Place& place, const char*) {
    const std::string& text = place.value();
    const bool octal = !text.empty() && text.size() <= 4 &&
                       text.find_first_not_of("01234567") == std::string::npos;
    if (!octal) return left_out("no octal mode");
    place.draft.put("jail.identity", "umask", std::string(4 - text.size(), '0') + text);
    return {};
}

/// "SOFT:HARD", sizes in bytes. `name`: of the limit.
Verdict take_limit(Place& place, const char* name) {
    std::string ours;
    std::string_view rest = place.value();
    while (!rest.empty()) {
        const std::string one(rest.substr(0, rest.find(':')));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        const auto number = config::parse_bytes(one);
        if (one != "infinity" && !number) return left_out("no limit that could be set");
        ours += (ours.empty() ? "" : ":") + (number ? std::to_string(*number) : one);
    }
    if (ours.empty()) return left_out("no limit that could be set");
    place.draft.set_entry("jail.identity", "limits", name, ours);
    return {};
}

/// Names below the place that the key stands for.
Verdict take_own_directories(Place& place, const char* key) {
    const auto text = with_our_specifiers(place.value());
    const auto words = text ? split_words(*text) : std::unexpected(text.error());
    if (!words) return left_out(words.error().message);
    const auto [table, name] = table_key(key);
    for (const std::string& word : *words) {
        place.draft.add(table, name, word.substr(0, word.find(':')));
    }
    return {};
}

bool is_there(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0;
}

/// Of which each jail has its own.
constexpr std::string_view kOfTheJail[] = {"/",     "/run", "/var/run", "/dev",
                                           "/proc", "/sys", "/tmp"};

/// "-/path": only where it is now, since a bind of what is not there fails the start.
Verdict take_binds(Place& place, const char* key) {
    const auto text = with_our_specifiers(place.value());
    const auto words = text ? split_words(*text) : std::unexpected(text.error());
    if (!words) return left_out(words.error().message);
    const auto [table, name] = table_key(key);
    std::string gone;
    for (std::string word : *words) {
        const bool optional = word.starts_with('-');
        if (optional) word.erase(0, 1);
        if (word.starts_with('+')) word.erase(0, 1);
        if (!word.starts_with('/')) return left_out("absolute paths are wanted");
        for (const char* option : {":rbind", ":norbind"}) {
            if (word.ends_with(option)) word.resize(word.size() - std::string_view(option).size());
        }
        const std::string source = word.substr(0, word.find(':'));
        const bool is_own = std::ranges::find(kOfTheJail, source) != std::end(kOfTheJail);
        if (is_own || (optional && !is_there(source))) {
            gone += fmt::format("{}{}", gone.empty() ? "" : ", ", source);
            continue;
        }
        place.draft.add(table, name, word);
    }
    if (gone.empty()) return {};
    return noted("without what is not there now, or is the jail's own: " + gone);
}

Verdict take_masked(Place& place, const char*) {
    const auto words = split_words(place.value());
    if (!words) return left_out(words.error().message);
    for (std::string word : *words) {
        if (word.starts_with('+')) word.erase(0, 1);
        if (!word.starts_with('/') && !word.starts_with("-/")) {
            return left_out("absolute paths are wanted");
        }
        place.draft.add("jail.chroot", "masked", without_specifiers(word));
    }
    return {};
}

Verdict take_tmpfs(Place& place, const char*) {
    const auto words = split_words(place.value());
    if (!words) return left_out(words.error().message);
    for (const std::string& word : *words) {
        place.draft.add("jail.chroot", "tmpfs", without_specifiers(word.substr(0, word.find(':'))));
    }
    const bool options = place.value().find(':') != std::string::npos;
    return options ? noted("without its options; size=… and mode=… can be written here")
                   : Verdict{};
}

Verdict take_root(Place& place, const char*) {
    const Verdict verdict = take_text(place, "jail.chroot.root");
    if (verdict.outcome == Outcome::kTranslated) {
        place.draft.put("jail.chroot", "mode", "directory");
    }
    return verdict;
}

Verdict take_private_tmp(Place& place, const char*) {
    const auto on = truth_of(place.value());
    if (on && !*on) {
        place.draft.put_flag("jail.chroot", "tmp", false);
        return noted("the host's /tmp is read-only in the jail; binds = [\"/tmp\"] opens it");
    }
    return {};
}

Verdict take_protect_home(Place& place, const char*) {
    const auto on = truth_of(place.value());
    if ((on && *on) || place.value() == "tmpfs") return noted("/home and /root are hidden anyway");
    place.draft.put_list("jail.chroot", "hide", {});
    return noted("the host's files are read-only in the jail");
}

Verdict take_private_network(Place& place, const char*) {
    const auto on = truth_of(place.value());
    if (!on) return left_out("neither yes nor no");
    if (*on) place.draft.put("jail.network", "mode", "loopback");
    return {};
}

Verdict take_quota(Place& place, const char*) {
    const std::string& text = place.value();
    if (text.size() < 2 || !text.ends_with('%')) return left_out("a percentage is wanted");
    place.draft.put("jail.cgroups", "cpu_quota", text);
    return {};
}

Verdict take_proc(Place& place, const char*) {
    const std::string& text = place.value();
    if (text == "invisible" || text == "ptraceable") return noted("the jail has it so anyway");
    if (text == "noaccess") place.draft.put("jail.chroot", "proc", "none");
    if (text == "default") place.draft.put("jail.chroot", "proc", "all");
    return {};
}

Verdict take_tasks(Place& place, const char*) {
    if (place.value() == "infinity") {
        place.draft.put_number("jail.cgroups", "tasks_max", 0);
        return {};
    }
    return take_number(place, "jail.cgroups.tasks_max");
}

constexpr const char* kPromises = "[jail.pledge] promises say what system calls there are";
constexpr const char* kFilter = "its system calls are not promised by the profile";
constexpr const char* kNoLabels = "no labels of such modules are set here";
constexpr const char* kWrittenOtherwise = "[credentials] says it: NAME = path";
constexpr const char* kOtherMode = "directories have the modes that jails need";

std::vector<Row> make_rows() {
    std::vector<Row> rows = {
        {"Service", "User", take_user},
        {"Service", "Group", take_text, "jail.identity.group"},
        {"Service", "DynamicUser", take_bool, "jail.identity.dynamic_user"},
        {"Service", "SupplementaryGroups", take_words, "jail.identity.supplementary_groups"},
        {"Service", "CapabilityBoundingSet", take_capabilities, "jail.identity.capabilities"},
        {"Service", "AmbientCapabilities", take_ambient},
        {"Service", "NoNewPrivileges", take_bool, "jail.identity.no_new_privileges"},
        {"Service", "UMask", take_umask},
        {"Service", "SecureBits", take_nothing, "no such bits are set here"},
        {"Service", "StateDirectory", take_own_directories, "jail.chroot.state_directory"},
        {"Service", "CacheDirectory", take_own_directories, "jail.chroot.cache_directory"},
        {"Service", "LogsDirectory", take_own_directories, "jail.chroot.logs_directory"},
        {"Service", "RuntimeDirectory", take_own_directories, "jail.chroot.runtime_directory"},
        {"Service", "ConfigurationDirectory", take_nothing, "the jail reads the host's /etc"},
        {"Service", "RuntimeDirectoryPreserve", take_nothing, "made anew at each start"},
        {"Service", "TimeoutCleanSec", take_nothing, "nothing is cleaned by a command"},
        {"Service", "ReadWritePaths", take_binds, "jail.chroot.binds"},
        {"Service", "ReadWriteDirectories", take_binds, "jail.chroot.binds"},
        {"Service", "BindPaths", take_binds, "jail.chroot.binds"},
        {"Service", "BindReadOnlyPaths", take_binds, "jail.chroot.binds_ro"},
        {"Service", "ReadOnlyPaths", take_as_covered, "the host's files are read-only"},
        {"Service", "ReadOnlyDirectories", take_as_covered, "the host's files are read-only"},
        {"Service", "InaccessiblePaths", take_masked},
        {"Service", "InaccessibleDirectories", take_masked},
        {"Service", "TemporaryFileSystem", take_tmpfs},
        {"Service", "ExecPaths", take_nothing, "[jail.unveil] says what may be executed"},
        {"Service", "NoExecPaths", take_nothing, "[jail.unveil] says what may be executed"},
        {"Service", "RootDirectory", take_root},
        {"Service", "RootImage", take_nothing, "no images are mounted here"},
        {"Service", "MountAPIVFS", take_as_covered, "/proc and /dev are the jail's own"},
        {"Service", "MountFlags", take_nothing, "mounts of a jail are its own"},
        {"Service", "MountImages", take_nothing, "no images are mounted here"},
        {"Service", "ExtensionImages", take_nothing, "no images are mounted here"},
        {"Service", "ExtensionDirectories", take_nothing, "nothing is laid over the tree here"},
        {"Service", "PrivateTmp", take_private_tmp},
        {"Service", "ProtectHome", take_protect_home},
        {"Service", "PrivateNetwork", take_private_network},
        {"Service", "NetworkNamespacePath", take_nothing, "[jail.network] join names a unit"},
        {"Service", "PrivateUsers", take_nothing, "[jail.namespaces] user = true may serve"},
        {"Service", "ProtectProc", take_proc},
        {"Service", "ProcSubset", take_nothing, "[jail.chroot] proc decides"},
        {"Service", "ProtectSystem", take_as_covered, "the host's files are read-only"},
        {"Service", "PrivateDevices", take_as_covered, "/dev is a minimal one"},
        {"Service", "PrivateMounts", take_as_covered, "a mount namespace is its own"},
        {"Service", "PrivateIPC", take_as_covered, "an IPC namespace is its own"},
        {"Service", "RemoveIPC", take_as_covered, "an IPC namespace is its own, and ends with it"},
        {"Service", "ProtectHostname", take_as_covered, "a UTS namespace is its own"},
        {"Service", "ProtectControlGroups", take_as_covered, "control groups are read-only"},
        {"Service", "ProtectKernelTunables", take_as_covered, "no such files can be written"},
        {"Service", "ProtectKernelModules", take_as_covered, kFilter},
        {"Service", "ProtectKernelLogs", take_as_covered, kFilter},
        {"Service", "ProtectClock", take_as_covered, kFilter},
        {"Service", "RestrictNamespaces", take_as_covered, kFilter},
        {"Service", "RestrictSUIDSGID", take_as_covered, kFilter},
        {"Service", "RestrictRealtime", take_nothing, kPromises},
        {"Service", "LockPersonality", take_nothing, kPromises},
        {"Service", "RestrictAddressFamilies", take_nothing,
         "[jail.pledge] drop = \"inet\" or \"unix\" may serve"},
        {"Service", "MemoryDenyWriteExecute", take_nothing,
         "[jail.pledge] drop = \"prot_exec\" with stage = \"main\" may serve"},
        {"Service", "SystemCallFilter", take_nothing, kPromises},
        {"Service", "SystemCallErrorNumber", take_nothing, "on_violation decides"},
        {"Service", "SystemCallArchitectures", take_as_covered, "others are refused"},
        {"Service", "SystemCallLog", take_nothing, kPromises},
        {"Service", "RestrictFileSystems", take_nothing, "[jail.unveil] says what is in reach"},
        {"Service", "KeyringMode", take_as_covered, "keys are not in reach"},
        {"Service", "Personality", take_nothing, "programs run as the kernel runs them"},
        {"Service", "SELinuxContext", take_nothing, kNoLabels},
        {"Service", "AppArmorProfile", take_nothing, kNoLabels},
        {"Service", "SmackProcessLabel", take_nothing, kNoLabels},
        {"Service", "LoadCredential", take_nothing, kWrittenOtherwise},
        {"Service", "LoadCredentialEncrypted", take_nothing, kWrittenOtherwise},
        {"Service", "SetCredential", take_nothing, kWrittenOtherwise},
        {"Service", "SetCredentialEncrypted", take_nothing, kWrittenOtherwise},
        {"Service", "ImportCredential", take_nothing, kWrittenOtherwise},
        {"Service", "MemoryMax", take_bytes, "jail.cgroups.memory_max"},
        {"Service", "MemoryLimit", take_bytes, "jail.cgroups.memory_max"},
        {"Service", "MemoryHigh", take_bytes, "jail.cgroups.memory_high"},
        {"Service", "MemorySwapMax", take_bytes, "jail.cgroups.memory_swap_max"},
        {"Service", "CPUQuota", take_quota},
        {"Service", "CPUWeight", take_number, "jail.cgroups.cpu_weight"},
        {"Service", "AllowedCPUs", take_text, "jail.cgroups.cpus"},
        {"Service", "CPUAffinity", take_nothing, "[jail.cgroups] cpus may serve"},
        {"Service", "IOWeight", take_number, "jail.cgroups.io_weight"},
        {"Service", "TasksMax", take_tasks},
        {"Service", "DeviceAllow", take_nothing,
         "[jail.chroot] devices puts nodes there, [jail.cgroups] devices allows others"},
        {"Service", "DevicePolicy", take_as_covered, "only devices that are named are allowed"},
        {"Service", "Slice", take_nothing, "each unit has a group of its own, and no other above"},
        {"Service", "Delegate", take_nothing, "a unit's group stays the supervisor's"},
        {"Service", "IPAddressAllow", take_nothing, "[jail.network] says what is in reach"},
        {"Service", "IPAddressDeny", take_nothing, "[jail.network] says what is in reach"},
        {"Service", "IPAccounting", take_nothing, "network traffic is not counted"},
        {"Service", "CPUAccounting", take_as_covered, "status shows it"},
        {"Service", "MemoryAccounting", take_as_covered, "status shows it"},
        {"Service", "TasksAccounting", take_as_covered, "status shows it"},
        {"Service", "IOAccounting", take_nothing, "disk traffic is not counted"},
        {"Service", "MemoryMin", take_nothing, "no memory is kept for a unit"},
        {"Service", "MemoryLow", take_nothing, "no memory is kept for a unit"},
        {"Service", "CPUShares", take_nothing, "cpu_weight, with another scale"},
        {"Service", "ManagedOOMSwap", take_nothing, "[jail.cgroups] memory_pressure may serve"},
        {"Service", "ManagedOOMMemoryPressure", take_nothing,
         "[jail.cgroups] memory_pressure may serve"},
        {"Service", "RuntimeDirectoryMode", take_nothing, kOtherMode},
        {"Service", "StateDirectoryMode", take_nothing, kOtherMode},
        {"Service", "CacheDirectoryMode", take_nothing, kOtherMode},
        {"Service", "LogsDirectoryMode", take_nothing, kOtherMode},
        {"Service", "ConfigurationDirectoryMode", take_nothing, kOtherMode},
    };
    static constexpr std::pair<const char*, const char*> kLimits[] = {
        {"LimitCPU", "cpu"},           {"LimitFSIZE", "fsize"}, {"LimitDATA", "data"},
        {"LimitSTACK", "stack"},       {"LimitCORE", "core"},   {"LimitRSS", "rss"},
        {"LimitNOFILE", "nofile"},     {"LimitAS", "as"},       {"LimitNPROC", "nproc"},
        {"LimitMEMLOCK", "memlock"},   {"LimitLOCKS", "locks"}, {"LimitSIGPENDING", "sigpending"},
        {"LimitMSGQUEUE", "msgqueue"}, {"LimitNICE", "nice"},   {"LimitRTPRIO", "rtprio"},
        {"LimitRTTIME", "rttime"}};
    for (const auto& [name, ours] : kLimits) rows.push_back({"Service", name, take_limit, ours});
    return rows;
}

}  // namespace

const std::vector<Row>& jail_rows() {
    static const std::vector<Row> kRows = make_rows();
    return kRows;
}

}  // namespace jailsvc::import
