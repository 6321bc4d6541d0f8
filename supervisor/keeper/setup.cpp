#include "keeper/setup.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string_view>

#include "base/fd.hpp"
#include "ipc/messages.hpp"
#include "keeper/log.hpp"

namespace jailsvc::keeper {
namespace {

constexpr char kHelp[] =
    "usage: jailsvc-init [--config DIR] [--state DIR] [--plugins DIR] [--quiet]\n"
    "Starts and keeps the supervisor: as PID 1, under another init, or as a container's "
    "entrypoint.\n"
    "  --config DIR   units in DIR/units, profiles in DIR/profiles\n"
    "  --state DIR    everything that is written, below DIR (default: /run, /var/lib, /var/log)\n"
    "  --plugins DIR  plugins from DIR\n"
    "  --quiet        warnings and errors only\n"
    "  --help, --version\n"
    "End it with SIGTERM; a second one hurries.\n";

int print(const char* text) noexcept {
    return ::write(STDOUT_FILENO, text, std::strlen(text)) < 0 ? 1 : 0;
}

int refuse(const char* option, const char* why) noexcept {
    constexpr int kUsage = 2;
    log("%s: %s", option, why);
    return kUsage;
}

int fail(const char* what, const char* path) noexcept {
    return log("%s %s: %s", what, path, ::strerrordesc_np(errno));
}

sockaddr_un control_address(const Options& options) noexcept {
    sockaddr_un address{AF_UNIX, {}};
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/control", options.run);
    return address;
}

/// Makes the directory and the one above it, and refuses one that others may change. The lock is
/// held until we end: of two that start at once, one is refused.
int lock_directory(const char* path) noexcept {
    char parent[sizeof Options::run];
    std::strcpy(parent, path);
    *std::strrchr(parent, '/') = '\0';
    ::mkdir(parent, 0755);
    if (::mkdir(path, 0755) < 0 && errno != EEXIST) return fail("cannot make", path);
    const int lock = ::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info{};
    if (lock < 0 || ::fstat(lock, &info) < 0) return fail("cannot open the directory", path);
    if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
        return log("%s: must belong to uid %u and be writable by no other; or use --state DIR",
                   path, ::geteuid());
    }
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
    return log("%s: another supervisor holds it; stop it, or use --state DIR", path);
}

/// [child, sharing our memory until its exec] Only system calls; returns if the exec failed.
void become(Options& options, int channel) noexcept {
    ::setsid();  // a terminal's Ctrl-C is for the keeper alone, which then asks the engine
    for (int signo = 1; signo < NSIG; ++signo) ::signal(signo, SIG_DFL);
    ::setrlimit(RLIMIT_NOFILE, &options.files);
    if (channel == ipc::kKeeperFd) {
        ::fcntl(channel, F_SETFD, 0);
    } else {
        ::dup2(channel, ipc::kKeeperFd);
    }
    ::close_range(ipc::kKeeperFd + 1, ~0U, 0);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(options.program, options.arguments, environ);
}

}  // namespace

int read_options(int argc, char** argv, Options& options) noexcept {
    std::strcpy(options.run, "/run/jailsvc");
    std::size_t count = 2;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--help") return print(kHelp);
        if (name == "--version") return print("jailsvc-init " JAILSVC_VERSION "\n");
        const bool quiet = name == "--quiet";
        if (!quiet && name != "--config" && name != "--state" && name != "--plugins") {
            return refuse(argv[i], "unknown option; --help lists what there is");
        }
        if (count + 3 > std::size(options.arguments)) return refuse(argv[i], "give each once");
        options.arguments[count++] = argv[i];
        options.quiet = options.quiet || quiet;
        if (quiet) continue;
        char* path = argv[++i];  // the last one is followed by a null
        if (path == nullptr || *path != '/') return refuse(argv[i - 1], "give an absolute path");
        options.arguments[count++] = path;
        if (name != "--state") continue;
        const int size = std::snprintf(options.run, sizeof options.run, "%s/run", path);
        // RUN/control must fit a socket's name (unix(7): 108 bytes).
        if (size >= static_cast<int>(sizeof options.run)) return refuse(path, "use a shorter path");
    }
    return -1;
}

bool find_program(Options& options) noexcept {
    char folder[PATH_MAX] = {};
    if (::readlink("/proc/self/exe", folder, sizeof folder - 1) < 0) {
        // At boot there is no /proc yet: the name that we were executed by.
        const auto* name = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
        std::snprintf(folder, sizeof folder, "%s", name);
    }
    char* slash = std::strrchr(folder, '/');
    *(slash != nullptr ? slash : folder) = '\0';
    for (const char* where : {"/jailsvcd", "/../lib/jailsvc/jailsvcd"}) {
        constexpr int kSize = sizeof options.program;
        const int size = std::snprintf(options.program, kSize, "%s%s", folder, where);
        if (size < kSize && ::access(options.program, X_OK) == 0) return true;
    }
    log("no jailsvcd in %s or its ../lib/jailsvc; install the whole of jailsvc", folder);
    return false;
}

int open_control(const Options& options) noexcept {
    if (lock_directory(options.run) < 0) return -1;
    const sockaddr_un address = control_address(options);
    ::unlink(address.sun_path);  // we hold the lock, so whoever bound it is dead
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // 0666: everybody may ask; what a peer may do is decided by its credentials.
    const mode_t old = ::umask(0111);
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    const int rc = ::bind(listener.get(), name, sizeof address);
    ::umask(old);
    if (rc == 0 && ::listen(listener.get(), SOMAXCONN) == 0) return listener.release();
    return fail("cannot listen on", address.sun_path);
}

void remove_control(const Options& options) noexcept {
    ::unlink(control_address(options).sun_path);
}

int make_state() noexcept {
    Fd state(::memfd_create("jailsvc-state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (state && ::ftruncate(state.get(), ipc::kStateSize) == 0 &&
        ::fcntl(state.get(), F_ADD_SEALS, kSeals) == 0) {
        return state.release();
    }
    return fail("cannot make", "the state memfd");
}

std::size_t prepare_descriptors(Options& options) noexcept {
    int fd = 0;
    while (fd <= STDERR_FILENO) {  // fills a missing 0, 1 or 2, which comes first
        fd = ::open("/dev/null", O_RDWR);
        if (fd < 0) fd = ::open("/", O_PATH);  // no /dev: what can be neither read nor written
    }
    ::close_range(STDERR_FILENO + 1, ~0U, 0);
    ::getrlimit(RLIMIT_NOFILE, &options.files);
    rlimit raised = options.files;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) < 0) raised = options.files;
    return raised.rlim_cur;
}

pid_t start_program(Options& options, const char* role, int channel) noexcept {
    options.arguments[0] = options.program;
    options.arguments[1] = const_cast<char*>(role);  // execve(2) does not write through it
    volatile int failure = 0;
    const pid_t pid = ::vfork();
    if (pid == 0) {
        become(options, channel);
        failure = errno;
        ::_exit(127);
    }
    if (failure != 0) log("cannot execute %s: %s", options.program, ::strerrordesc_np(failure));
    return pid;
}

}  // namespace jailsvc::keeper
