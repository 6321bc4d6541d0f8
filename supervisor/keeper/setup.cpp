#include "keeper/setup.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "ipc/messages.hpp"
#include "keeper/log.hpp"

namespace jailsvc::keeper {
namespace {

constexpr int kUsage = 2;
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

bool fail(const char* what, const char* path) noexcept {
    log("%s %s: %s", what, path, ::strerrordesc_np(errno));
    return false;
}

/// Makes the directory unless it is there, and refuses one that others may change.
bool own_directory(const char* path) noexcept {
    if (::mkdir(path, 0755) < 0 && errno != EEXIST) return fail("cannot make", path);
    struct stat info{};
    if (::lstat(path, &info) < 0) return fail("cannot read", path);
    if (S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 022) == 0) {
        return true;
    }
    log("%s: must be a directory of uid %u that only it may write; remove it, or use --state DIR",
        path, ::geteuid());
    return false;
}

/// False, with a report, if somebody listens on that socket. A dead one is removed.
bool clear_socket(const sockaddr_un& address) noexcept {
    struct stat info{};
    if (::lstat(address.sun_path, &info) < 0)
        return errno == ENOENT || fail("cannot read", address.sun_path);
    if (!S_ISSOCK(info.st_mode)) {
        log("%s: is not a socket; remove it", address.sun_path);
        return false;
    }
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int rc = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const bool dead = rc < 0 && errno == ECONNREFUSED;
    ::close(probe);
    if (dead) return ::unlink(address.sun_path) == 0 || fail("cannot remove", address.sun_path);
    log("%s: another supervisor answers there; stop it, or use --state DIR", address.sun_path);
    return false;
}

int listen_at(const sockaddr_un& address) noexcept {
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // 0666: everybody may ask; what a peer may do is decided by its credentials.
    const mode_t old = ::umask(0111);
    const int rc = ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::umask(old);
    if (rc == 0 && ::listen(listener, SOMAXCONN) == 0) return listener;
    fail("cannot listen on", address.sun_path);
    ::close(listener);
    return -1;
}

sockaddr_un control_address(const Options& options) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/control", options.run);
    return address;
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
        const char* name = argv[i];
        if (std::strcmp(name, "--help") == 0) return print(kHelp);
        if (std::strcmp(name, "--version") == 0) return print("jailsvc-init " JAILSVC_VERSION "\n");
        if (count + 3 > sizeof options.arguments / sizeof *options.arguments) {
            return log("too many options; give each once"), kUsage;
        }
        options.arguments[count++] = argv[i];
        if (std::strcmp(name, "--quiet") == 0) {
            options.quiet = true;
            continue;
        }
        const bool state = std::strcmp(name, "--state") == 0;
        if (!state && std::strcmp(name, "--config") != 0 && std::strcmp(name, "--plugins") != 0) {
            return log("unknown option \"%s\"; --help lists what there is", name), kUsage;
        }
        if (i + 1 == argc || argv[i + 1][0] != '/') {
            return log("%s: give an absolute path after it", name), kUsage;
        }
        options.arguments[count++] = argv[++i];
        // RUN/control must fit a socket's name (unix(7): 108 bytes).
        if (state && std::snprintf(options.run, sizeof options.run, "%s/run", argv[i]) >=
                         static_cast<int>(sizeof options.run)) {
            return log("--state %s: too long for a socket below it; use a shorter path", argv[i]),
                   kUsage;
        }
    }
    return -1;
}

bool find_program(Options& options) noexcept {
    char folder[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (length <= 0) return fail("cannot read (is /proc mounted?)", "/proc/self/exe");
    folder[length] = '\0';
    *std::strrchr(folder, '/') = '\0';
    for (const char* where : {"/jailsvcd", "/../lib/jailsvc/jailsvcd"}) {
        if (std::strlen(folder) + std::strlen(where) >= sizeof options.program) continue;
        std::strcpy(options.program, folder);
        std::strcat(options.program, where);
        if (::access(options.program, X_OK) == 0) return true;
    }
    log("jailsvcd is neither in %s nor in %s/../lib/jailsvc; install the whole of jailsvc", folder,
        folder);
    return false;
}

int open_control(const Options& options) noexcept {
    char parent[sizeof options.run];
    std::strcpy(parent, options.run);
    *std::strrchr(parent, '/') = '\0';
    if (::mkdir(*parent != '\0' ? parent : "/", 0755) < 0 && errno != EEXIST) {
        return fail("cannot make", parent), -1;
    }
    if (!own_directory(options.run)) return -1;
    // Held until we end: of two that start at once, one is refused.
    const int lock = ::open(options.run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0 || ::flock(lock, LOCK_EX | LOCK_NB) < 0) {
        log("%s: another supervisor holds it; stop it, or use --state DIR", options.run);
        return -1;
    }
    const sockaddr_un address = control_address(options);
    return clear_socket(address) ? listen_at(address) : -1;
}

void remove_control(const Options& options) noexcept {
    ::unlink(control_address(options).sun_path);
}

int make_state() noexcept {
    const int fd = ::memfd_create("jailsvc-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ::ftruncate(fd, ipc::kStateSize) == 0 &&
        ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
        return fd;
    }
    return fail("cannot make", "the state memfd"), -1;
}

std::size_t prepare_descriptors(Options& options) noexcept {
    int fd = 0;
    do {
        fd = ::open("/dev/null", O_RDWR);  // fills a missing 0, 1 or 2, which comes first
    } while (fd >= 0 && fd <= STDERR_FILENO);
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
