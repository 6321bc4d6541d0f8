#include "doctor.hpp"

#include <linux/sched.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <jailsvc_plugin.hpp>
#include <string>

namespace jailsvc::namespaces {
namespace {

struct Type {
    const char* name;
    int flag;
};
constexpr Type kTypes[] = {
    {"pid namespace", CLONE_NEWPID},   {"mount namespace", CLONE_NEWNS},
    {"ipc namespace", CLONE_NEWIPC},   {"uts namespace", CLONE_NEWUTS},
    {"net namespace", CLONE_NEWNET},   {"cgroup namespace", CLONE_NEWCGROUP},
    {"user namespace", CLONE_NEWUSER}, {"time namespace", CLONE_NEWTIME},
};
constexpr uid_t kNobody = 65534;

std::string first_word(const char* path) {
    std::ifstream file(path);
    std::string word;
    file >> word;
    return word;
}

int try_type(jsv_probe& probe, const Type& type) {
    const bool made = ::unshare(type.flag) == 0;
    return jsv::report(probe, made, type.name,
                       made ? ""
                            : std::string("unshare: ") + std::strerror(errno) +
                                  "; needs root, or a container that allows it");
}

/// Who keeps an ordinary user from it, in the order in which kernels ask (user_namespaces(7);
/// Debian's and Ubuntu's own sysctls).
std::string blocker() {
    if (first_word("/proc/sys/user/max_user_namespaces") == "0") {
        return "sysctl user.max_user_namespaces is 0";
    }
    if (first_word("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
        return "sysctl kernel.unprivileged_userns_clone is 0";
    }
    if (first_word("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
        return "sysctl kernel.apparmor_restrict_unprivileged_userns is 1";
    }
    return std::strerror(errno);
}

/// Not needed when the supervisor runs as root; a supervisor of an ordinary user has nothing else.
int try_unprivileged(jsv_probe& probe) {
    constexpr const char* kName = "user namespace of an ordinary user";
    if (::geteuid() == 0 && ::setresuid(kNobody, kNobody, kNobody) != 0) {
        return jsv::report(probe, -1, kName, "cannot be tried: setresuid is refused");
    }
    const bool made = ::unshare(CLONE_NEWUSER) == 0;
    return jsv::report(probe, made ? 1 : -1, kName,
                       made ? "" : blocker() + "; only rootless supervisors need it");
}

/// "NAME:FIRST:COUNT" lines (subuid(5)).
int try_subordinate_ids(jsv_probe& probe) {
    constexpr const char* kName = "subordinate ids";
    std::ifstream file("/etc/subuid");
    const auto lines = std::count(std::istreambuf_iterator<char>(file), {}, '\n');
    return jsv::report(probe, lines > 0 ? 1 : -1, kName,
                       lines > 0 ? std::to_string(lines) + " ranges in /etc/subuid"
                                 : "no range in /etc/subuid; only rootless supervisors need one");
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    if (i < std::size(kTypes)) return try_type(*probe, kTypes[i]);
    if (i == std::size(kTypes)) return try_unprivileged(*probe);
    if (i == std::size(kTypes) + 1) return try_subordinate_ids(*probe);
    return -ENOENT;
}

}  // namespace jailsvc::namespaces
