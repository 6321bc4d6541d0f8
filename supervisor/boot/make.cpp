#include "boot/make.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/time_slice.hpp"
#include "ipc/messages.hpp"
#include "pid1/handover.hpp"
#include "pid1/log.hpp"

namespace jailsvc::boot {
namespace {

using pid1::log;

// linux/memfd.h since Linux 6.3; older kernels refuse it with EINVAL, and need none.
#ifndef MFD_EXEC
constexpr unsigned MFD_EXEC = 0x0010U;
#endif

Fd fail(const char* what, const char* path) noexcept {
    log("%s %s: %s", what, path, ::strerrordesc_np(errno));
    return Fd();
}

Fd executable_memfd() noexcept {
    constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    Fd memory(::memfd_create("jailsvc-end", kFlags | MFD_EXEC));
    return memory || errno != EINVAL ? std::move(memory)
                                     : Fd(::memfd_create("jailsvc-end", kFlags));
}

bool copy(int from, int to, off_t size) noexcept {
    for (off_t left = size; left > 0;) {
        const ssize_t copied = ::sendfile(to, from, nullptr, static_cast<std::size_t>(left));
        if (copied <= 0) return false;
        left -= copied;
    }
    return true;
}

}  // namespace

void prepare_process() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    for (int signo = 1; signo < NSIG; ++signo) ::signal(signo, SIG_DFL);
    int fd = 0;
    while (fd <= STDERR_FILENO) {  // fills a missing 0, 1 or 2, which comes first
        fd = ::open("/dev/null", O_RDWR);
        if (fd < 0) fd = ::open("/", O_PATH);  // no /dev: what can be neither read nor written
    }
    ::close_range(STDERR_FILENO + 1, ~0U, 0);
    ::umask(022);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // PID 1 is one in any case
    ask_for_time_slice(kPromptSliceNs);
}

bool find_program(const char* name, char (&path)[PATH_MAX]) noexcept {
    char folder[PATH_MAX] = {};
    if (::readlink("/proc/self/exe", folder, sizeof folder - 1) < 0) {
        // At boot there is no /proc yet: the name that we were executed by.
        const auto* own = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
        std::snprintf(folder, sizeof folder, "%s", own);
    }
    char* slash = std::strrchr(folder, '/');
    *(slash != nullptr ? slash : folder) = '\0';
    for (const char* where : {"", "/../lib/jailsvc"}) {
        const int size = std::snprintf(path, sizeof path, "%s%s/%s", folder, where, name);
        if (size < static_cast<int>(sizeof path) && ::access(path, X_OK) == 0) return true;
    }
    log("no %s in %s or its ../lib/jailsvc; install the whole of jailsvc", name, folder);
    return false;
}

bool is_trusted(const char* directory) noexcept {
    struct stat info{};
    if (::stat(directory, &info) < 0) {
        if (errno == ENOENT) return true;
        log("cannot look at the directory %s: %s", directory, ::strerrordesc_np(errno));
        return false;
    }
    const bool is_ours = info.st_uid == 0 || info.st_uid == ::geteuid();
    const bool is_closed = (info.st_mode & 022) == 0 || (info.st_mode & S_ISVTX) != 0;
    if (is_ours && is_closed) return true;
    log("%s: belongs to uid %u and is writable by %s: others could exchange what is in it; chown "
        "it "
        "to root and chmod go-w it, or use another directory",
        directory, info.st_uid, is_closed ? "it alone" : "others");
    return false;
}

bool is_reachable(const char* directory) noexcept {
    if (::geteuid() != 0) return true;  // then they run as we do
    char part[PATH_MAX];
    std::snprintf(part, sizeof part, "%s/", directory);
    for (char* slash = std::strchr(part + 1, '/'); slash; slash = std::strchr(slash + 1, '/')) {
        *slash = '\0';
        struct stat info{};
        if (::stat(part, &info) < 0) return true;  // we make it, or those who read it tell
        if ((info.st_mode & S_IXOTH) == 0) {
            log("%s: closed to the engine and the logger, who are not root; chmod o+x it, or use "
                "another directory",
                part);
            return false;
        }
        *slash = '/';
    }
    return true;
}

Fd lock_run_directory(const char* path) noexcept {
    char parent[PATH_MAX];
    std::snprintf(parent, sizeof parent, "%s", path);
    *std::strrchr(parent, '/') = '\0';
    ::mkdir(parent, 0755);
    if (!is_trusted(parent)) return Fd();
    if (::mkdir(path, 0755) < 0 && errno != EEXIST) return fail("cannot make", path);
    Fd lock(::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info{};
    if (!lock || ::fstat(lock.get(), &info) < 0) return fail("cannot open the directory", path);
    if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
        log("%s: must belong to uid %u and be writable by no other; or use --state DIR", path,
            ::geteuid());
        return Fd();
    }
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    log("%s: another supervisor holds it; stop it, or use --state DIR", path);
    return Fd();
}

Fd open_control(const char* run) noexcept {
    sockaddr_un address{AF_UNIX, {}};
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", run, pid1::kControlName);
    ::unlink(address.sun_path);  // we hold the lock, so whoever bound it is dead
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // 0666: everybody may ask; what a peer may do is decided by its credentials.
    const mode_t old = ::umask(0111);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const int rc = ::bind(listener.get(), name, sizeof address);
    ::umask(old);
    if (rc == 0 && ::listen(listener.get(), SOMAXCONN) == 0) return listener;
    return fail("cannot listen on", address.sun_path);
}

Fd make_state() noexcept {
    Fd state(::memfd_create("jailsvc-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (state && ::ftruncate(state.get(), ipc::kStateSize) == 0 &&
        ::fcntl(state.get(), F_ADD_SEALS, kSeals) == 0) {
        return state;
    }
    return fail("cannot make", "the state memfd");
}

Fd open_signals() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signo : {SIGCHLD, SIGTERM, SIGINT, SIGPWR}) ::sigaddset(&set, signo);
    Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    return signals ? std::move(signals) : fail("cannot make", "the descriptor of signals");
}

Fd load_program(const char* path) noexcept {
    Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    struct stat info{};
    if (!file || ::fstat(file.get(), &info) < 0) return fail("cannot open", path);
    Fd memory = executable_memfd();
    if (!memory) {
        log("%s is not held in memory (%s): ending needs its disk; see sysctl vm.memfd_noexec",
            path, ::strerrordesc_np(errno));
        return file;
    }
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (copy(file.get(), memory.get(), info.st_size) &&
        ::fcntl(memory.get(), F_ADD_SEALS, kSeals) == 0) {
        return memory;
    }
    return fail("cannot read into memory", path);
}

}  // namespace jailsvc::boot
