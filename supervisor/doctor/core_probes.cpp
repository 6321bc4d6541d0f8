#include "doctor/core_probes.hpp"

#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jailsvc_plugin.hpp>

#include "base/sys.hpp"
#include "control/client.hpp"

namespace jailsvc::doctor {
namespace {

constexpr rlim_t kFewFiles = 4096;  ///< of which the keeper holds about three per running unit
constexpr int kProbeMilliseconds = 5000;

int try_root(jsv_probe& probe) {
    const bool root = ::geteuid() == 0;
    return jsv::report(probe, root, "root",
                       root ? "" : "run as root: making namespaces, mounts and uids needs it");
}

/// clone3(2) with a descriptor for the process, which polls readable at its end (pidfd_open(2)).
int try_pidfd(jsv_probe& probe) {
    constexpr const char* kName = "clone3 with a pidfd";
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    const long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) ::_exit(7);
    if (pid < 0) {
        return jsv::report(probe, 0, kName,
                           "needs Linux 5.3, and a container's filter that lets clone3 through");
    }
    pollfd watched{.fd = pidfd, .events = POLLIN, .revents = 0};
    siginfo_t end{};
    const bool seen = ::poll(&watched, 1, kProbeMilliseconds) == 1 &&
                      ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &end, WEXITED | __WALL) == 0 &&
                      end.si_status == 7;
    return jsv::report(probe, seen, kName, seen ? "" : "waitid(P_PIDFD) needs Linux 5.4");
}

/// The records of the engine and the units of running services live in such memory.
int try_seals(jsv_probe& probe) {
    const auto memory = sys::sealed_memfd("jailsvc-doctor", "sealed");
    const bool holds = memory && ::write(memory->get(), "x", 1) < 0 && errno == EPERM;
    return jsv::report(probe, holds, "sealed memory", holds ? "" : "needs memfd_create(2)");
}

int try_files(jsv_probe& probe) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const std::string many = limit.rlim_max == RLIM_INFINITY ? std::string("no hard limit")
                                                             : std::to_string(limit.rlim_max);
    const bool enough = limit.rlim_max >= kFewFiles;
    return jsv::report(probe, enough, "open files",
                       enough ? many : many + ": raise the hard limit (ulimit -Hn) for many units");
}

int try_kvm(jsv_probe& probe) {
    const auto device = sys::open("/dev/kvm", O_RDWR);
    return jsv::report(probe, device ? 1 : -1, "/dev/kvm",
                       device ? "" : "no hardware virtualisation; nothing here needs it yet");
}

int try_socket_path(jsv_probe& probe, const std::string& path) {
    const bool fits = path.size() < sizeof(sockaddr_un{}.sun_path);
    return jsv::report(probe, fits, "control socket path",
                       fits ? path : path + " is too long for a socket; choose a shorter --state");
}

int try_supervisor(jsv_probe& probe, const std::string& path) {
    constexpr const char* kName = "running supervisor";
    auto client = control::Client::connect(path);
    if (!client) return jsv::report(probe, -1, kName, "none at " + path);
    const auto version = client->call("Version");
    const bool answers = version && version->reply.error.empty();
    return jsv::report(probe, answers, kName,
                       answers ? path : path + " does not answer; see what jailsvc-init wrote");
}

}  // namespace

std::vector<Attempt> core_probes(const Places& places) {
    const std::string path = places.control_socket();
    return {try_root,
            try_pidfd,
            try_seals,
            try_files,
            try_kvm,
            [path](jsv_probe& probe) { return try_socket_path(probe, path); },
            [path](jsv_probe& probe) { return try_supervisor(probe, path); }};
}

}  // namespace jailsvc::doctor
