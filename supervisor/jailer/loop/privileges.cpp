#include "jailer/loop/privileges.hpp"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace jailsvc::jailer {
namespace {

/// What the jailer and its children before their exec need, and for what.
constexpr unsigned kNeeded[] = {
    CAP_SYS_ADMIN,         // namespaces, setns, mounts, hostname
    CAP_SETUID,            // the service's uid; user namespace maps
    CAP_SETGID,            // its gid and groups
    CAP_SETPCAP,           // dropping from bounding sets, securebits
    CAP_SETFCAP,           // maps of user namespaces that contain root (user_namespaces(7))
    CAP_CHOWN,             // state directories and log pipes become the service's
    CAP_DAC_OVERRIDE,      // the same directories once they are
    CAP_FOWNER,            // their modes
    CAP_FSETID,            // keeping a set-group-ID bit on them
    CAP_KILL,              // signals to any service
    CAP_MKNOD,             // /dev of a jail
    CAP_SYS_CHROOT,        // setns into a mount namespace
    CAP_SYS_PTRACE,        // /proc/PID/ns, root, exe and smaps of others: attestation, statistics
    CAP_SYS_RESOURCE,      // raising limits, lowering oom_score_adj
    CAP_SYS_NICE,          // negative nice
    CAP_NET_ADMIN,         // network namespaces, interfaces, rules between jails
    CAP_NET_BIND_SERVICE,  // whether a forward's port of the host is free
    CAP_SYS_TIME,          // offsets of a time namespace
};

constexpr bool is_needed(unsigned capability) {
    return std::ranges::find(kNeeded, capability) != std::end(kNeeded);
}

}  // namespace

Result<FileLimits> raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == -1) return fail_errno("getrlimit RLIMIT_NOFILE");
    const FileLimits before{limit.rlim_cur, limit.rlim_max};
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == -1) return fail_errno("setrlimit RLIMIT_NOFILE");
    return before;
}

Result<void> reduce_effective_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, sets) == -1) return fail_errno("capget");
    for (unsigned capability = 0; capability <= CAP_LAST_CAP; ++capability) {
        if (is_needed(capability)) continue;
        sets[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
    }
    if (::syscall(SYS_capset, &header, sets) == -1) return fail_errno("capset");
    return {};
}

std::string lacking_for_jails() {
    constexpr struct {
        unsigned number;
        const char* name;
    } kVital[] = {{CAP_SYS_ADMIN, "sys_admin"},
                  {CAP_SETUID, "setuid"},
                  {CAP_SETGID, "setgid"},
                  {CAP_SETPCAP, "setpcap"}};
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, sets) == -1) return {};
    std::string lacking;
    for (const auto& [number, name] : kVital) {
        if ((sets[CAP_TO_INDEX(number)].effective & CAP_TO_MASK(number)) != 0) continue;
        lacking.append(lacking.empty() ? "" : ", ").append(name);
    }
    return lacking;
}

Result<void> keep_capabilities(std::span<const unsigned> kept) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct present[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, present) == -1) return fail_errno("capget");
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    for (const unsigned capability : kept) {
        const unsigned bit = CAP_TO_MASK(capability) & present[CAP_TO_INDEX(capability)].permitted;
        sets[CAP_TO_INDEX(capability)].permitted |= bit;
        sets[CAP_TO_INDEX(capability)].effective |= bit;
    }
    if (::syscall(SYS_capset, &header, sets) == -1) return fail_errno("capset");
    return {};
}

}  // namespace jailsvc::jailer
