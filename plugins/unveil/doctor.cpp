#include "doctor.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <string>

namespace unveil {
namespace {

// linux/landlock.h; the system's may be older than the kernel.
struct Rights {
    std::uint64_t fs, net, scoped;
};
constexpr unsigned kAskVersion = 1;
constexpr long kPaths = 3, kTcp = 4, kScopes = 6, kUdp = 10;  ///< versions that bring them
constexpr Rights kReading{1U << 2 | 1U << 3, 0, 0};
constexpr Rights kBindingTcp{0, 1U << 0, 0}, kBindingUdp{0, 1U << 2, 0};
constexpr Rights kAbstractSockets{0, 0, 1U << 0};

long version() {
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
}

/// From here on what the rights are about is denied, everywhere.
bool confine(const Rights& rights) {
    const long ruleset = ::syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0);
    return ruleset >= 0 && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::syscall(SYS_landlock_restrict_self, static_cast<int>(ruleset), 0) == 0;
}

bool can_list_root() {
    const int fd = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

/// A free port of the loopback interface.
bool can_bind(int type) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    const bool bound = ::bind(fd, raw, sizeof address) == 0;
    const int code = errno;
    ::close(fd);
    errno = code;
    return bound;
}
bool can_bind_tcp() {
    return can_bind(SOCK_STREAM);
}
bool can_bind_udp() {
    return can_bind(SOCK_DGRAM);
}

/// To a socket that was there before the confinement, which is outside of it.
bool can_reach_outside() {
    static sockaddr_un name{};
    static socklen_t length = 0;
    if (length == 0) {
        name.sun_family = AF_UNIX;
        length = sizeof name;
        const int outside = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        auto* raw = reinterpret_cast<sockaddr*>(&name);
        if (::bind(outside, raw, sizeof(sa_family_t)) != 0 ||  // a free name (unix(7), "autobind")
            ::getsockname(outside, raw, &length) != 0) {
            return false;
        }
    }
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool reached = ::connect(fd, reinterpret_cast<const sockaddr*>(&name), length) == 0;
    const int code = errno;
    ::close(fd);
    errno = code;
    return reached;
}

/// What could be done before, is denied after.
struct Trial {
    const char* name;
    long version;
    const char* kernel;
    const char* who;  ///< does not start without
    Rights rights;
    bool (*attempt)();
    int denial;
};
constexpr Trial kTrials[] = {
    {"Landlock confines to paths", kPaths, "6.2",
     "profile minimal, and units that list paths in [jail.unveil],", kReading, can_list_root,
     EACCES},
    {"Landlock confines to TCP ports", kTcp, "6.7", "units with tcp_bind or tcp_connect",
     kBindingTcp, can_bind_tcp, EACCES},
    {"Landlock scopes abstract sockets", kScopes, "6.12",
     "units with scope = \"abstract_sockets\" or \"all\"", kAbstractSockets, can_reach_outside,
     EPERM},
    {"Landlock confines to UDP ports", kUdp, "7.2", "units with udp_bind or udp_connect",
     kBindingUdp, can_bind_udp, EACCES},
};

int try_version(jsv_probe& probe) {
    constexpr const char* kName = "Landlock";
    const long abi = version();
    if (abi > 0) return jsv::report(probe, 1, kName, "version " + std::to_string(abi));
    const std::string why = errno == EOPNOTSUPP
                                ? "is switched off: add landlock to lsm= of the kernel's command "
                                  "line"
                                : "the kernel has none: it needs Linux 5.13 with "
                                  "CONFIG_SECURITY_LANDLOCK, and a container that lets it through";
    return jsv::report(probe, -1, kName, why);
}

/// An older kernel is no fault: most units ask for nothing of it.
int try_confinement(jsv_probe& probe, const Trial& trial) {
    if (version() < trial.version) {
        return jsv::report(probe, -1, trial.name,
                           "needs version " + std::to_string(trial.version) + ", Linux " +
                               trial.kernel + "; " + trial.who +
                               " start only with [jail] optional = [\"unveil.landlock\"]");
    }
    const bool before = trial.attempt();
    if (!before || !confine(trial.rights)) {
        return jsv::report(probe, 0, trial.name, std::string("not tried: ") + std::strerror(errno));
    }
    const bool held = !trial.attempt() && errno == trial.denial;
    return jsv::report(probe, held, trial.name, held ? "" : "what no rule allows was not denied");
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    if (i == 0) return try_version(*probe);
    if (i <= std::size(kTrials)) return try_confinement(*probe, kTrials[i - 1]);
    return -ENOENT;
}

}  // namespace unveil
