#include "doctor.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <string>

#include "filter.hpp"

namespace pledge {
namespace {

constexpr int kLimit = 5000;  ///< [ms] for a child to do next to nothing

std::string reason(const char* what) {
    return std::string(what) + ": " + std::strerror(errno) +
           "; needs a kernel with CONFIG_SECCOMP_FILTER, and a container that lets seccomp(2) "
           "through";
}

long install(const std::vector<sock_filter>& program, unsigned flags) {
    const sock_fprog what{static_cast<unsigned short>(program.size()),
                          const_cast<sock_filter*>(program.data())};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &what);
}

bool can_open() {
    const int fd = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

/// What could be opened before is denied after, and the rest goes on.
int try_promises(jsv_probe& probe) {
    constexpr const char* kName = "promises are enforced";
    const Filter filter = compile(kStdio, Violation::kErrno);
    if (!filter.error.empty()) return jsv::report(probe, 0, kName, filter.error);
    const bool before = can_open();
    if (install(filter.program, 0) != 0) return jsv::report(probe, 0, kName, reason("seccomp"));
    const bool after = can_open();
    const bool held = before && !after && errno == EPERM && ::getpid() > 0;
    return jsv::report(probe, held, kName, held ? "" : reason("a call that was not promised"));
}

/// Asks about getppid(2) and lets all else pass.
std::vector<sock_filter> asking() {
    return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}

/// Lets the call go on that waits at the listener.
bool answer(int listener) {
    pollfd waiting{listener, POLLIN, 0};
    seccomp_notif notice{};
    if (::poll(&waiting, 1, kLimit) != 1 ||
        ::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) == -1) {
        return false;
    }
    seccomp_notif_resp response{};
    response.id = notice.id;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    return ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

/// With our descriptors, so that the listener is ours too: it says the number, makes a call that
/// has to pass, is told that nobody answers any more, and makes one that has to fail.
[[noreturn]] void ask_twice(int say, int hear) {
    const long listener = install(asking(), SECCOMP_FILTER_FLAG_NEW_LISTENER);
    const int number = static_cast<int>(listener);
    char closed = 0;
    bool held = ::write(say, &number, sizeof number) == sizeof number && listener >= 0;
    held = held && ::syscall(SYS_getppid) > 0;
    held = held && ::read(hear, &closed, 1) == 1;
    held = held && ::syscall(SYS_getppid) == -1 && errno == ENOSYS;
    ::_exit(held ? 0 : 1);
}

bool serve(int hear, int say) {
    int listener = -1;
    pollfd waiting{hear, POLLIN, 0};
    if (::poll(&waiting, 1, kLimit) != 1 ||
        ::read(hear, &listener, sizeof listener) != sizeof listener || listener < 0) {
        return false;
    }
    const bool answered = answer(listener);
    ::close(listener);
    return answered && ::write(say, "x", 1) == 1;
}

/// The gate that an exec waits at, and that nobody opens a second time.
int try_gate(jsv_probe& probe) {
    constexpr const char* kName = "an exec can be gated";
    int up[2], down[2];
    if (::pipe2(up, O_CLOEXEC) != 0 || ::pipe2(down, O_CLOEXEC) != 0) {
        return jsv::report(probe, 0, kName, reason("pipe2"));
    }
    const long child = ::syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, 0);
    if (child == 0) ask_twice(up[1], down[0]);
    if (child < 0) return jsv::report(probe, 0, kName, reason("clone"));
    const bool served = serve(up[0], down[1]);
    if (!served) ::kill(static_cast<pid_t>(child), SIGKILL);
    int status = 0;
    const bool held = ::waitpid(static_cast<pid_t>(child), &status, 0) == child && served &&
                      WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return jsv::report(probe, held, kName,
                       held ? ""
                            : "no user notification; needs Linux 5.5, and a container that lets "
                              "seccomp(2) with a listener through");
}

int try_library(jsv_probe& probe) {
    constexpr unsigned kMajor = 2, kMinor = 5;
    const scmp_version* const version = ::seccomp_version();
    const bool known =
        version != nullptr &&
        (version->major > kMajor || (version->major == kMajor && version->minor >= kMinor));
    return jsv::report(probe, known, "libseccomp makes search trees",
                       known ? "" : "build with libseccomp 2.5 or newer");
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    switch (i) {
        case 0:
            return try_promises(*probe);
        case 1:
            return try_gate(*probe);
        case 2:
            return try_library(*probe);
        default:
            return -ENOENT;
    }
}

}  // namespace pledge
