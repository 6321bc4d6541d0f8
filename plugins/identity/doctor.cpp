#include "doctor.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <string>

namespace jailsvc::identity {
namespace {

constexpr id_t kSomebody = 61184;  // the first dynamic uid of systemd's range, which is nobody's

std::string reason(const char* call) {
    return std::string(call) + ": " + std::strerror(errno) + "; run as root";
}

int try_ids(jsv_probe& probe) {
    constexpr const char* kName = "another uid, gid and no groups";
    if (::setgroups(0, nullptr) != 0) return jsv::report(probe, 0, kName, reason("setgroups"));
    if (::setresgid(kSomebody, kSomebody, kSomebody) != 0) {
        return jsv::report(probe, 0, kName, reason("setresgid"));
    }
    if (::setresuid(kSomebody, kSomebody, kSomebody) != 0) {
        return jsv::report(probe, 0, kName, reason("setresuid"));
    }
    const bool back = ::setuid(0) == 0;
    return jsv::report(probe, !back, kName, back ? "root came back: do not trust this kernel" : "");
}

int try_bounding_set(jsv_probe& probe) {
    constexpr const char* kName = "empty bounding set";
    for (unsigned long cap = 0; ::prctl(PR_CAPBSET_READ, cap) >= 0; ++cap) {
        if (::prctl(PR_CAPBSET_DROP, cap) != 0) {
            return jsv::report(probe, 0, kName, reason("prctl(PR_CAPBSET_DROP)"));
        }
    }
    const bool empty = ::prctl(PR_CAPBSET_READ, CAP_CHOWN) == 0;
    return jsv::report(probe, empty, kName, empty ? "" : "a dropped capability is still there");
}

int try_no_new_privs(jsv_probe& probe) {
    const bool set = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                     ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    return jsv::report(probe, set, "no_new_privs", set ? "" : "needs Linux 3.5");
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    switch (i) {
        case 0:
            return try_ids(*probe);
        case 1:
            return try_bounding_set(*probe);
        case 2:
            return try_no_new_privs(*probe);
        default:
            return -ENOENT;
    }
}

}  // namespace jailsvc::identity
