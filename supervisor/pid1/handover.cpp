#include "pid1/handover.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "pid1/log.hpp"

namespace jailsvc::pid1 {
namespace {

constexpr struct {
    mode_t type;
    const char* what;
} kHandedOver[] = {
    {S_IFDIR, "the run directory"},  // kRunFd
    {S_IFREG, "jailsvc-end"},        // kEndFd
    {S_IFSOCK, "the control socket"},
    {S_IFREG, "the state"},
    {0, "the signals"},  // without a type, as what is no file has none (anon_inode)
};

/// What the engine maps may neither shrink nor grow under it.
bool is_state(int fd, const struct stat& info) noexcept {
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    return info.st_size == ipc::kStateSize && ::fcntl(fd, F_GET_SEALS) == kSeals;
}

bool take(int fd) noexcept {
    const auto& expected = kHandedOver[fd - kRunFd];
    struct stat info{};
    const bool fits = ::fstat(fd, &info) == 0 && (info.st_mode & S_IFMT) == expected.type &&
                      (fd != kStateFd || is_state(fd, info));
    if (fits && ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) return true;
    log("descriptor %d is not %s; start jailsvc-init, which hands it on", fd, expected.what);
    return false;
}

constexpr std::size_t kEndArguments = 6;  ///< kTitle, kind, exit code, the three

}  // namespace

bool take_over(int last) noexcept {
    for (int fd = kRunFd; fd <= last; ++fd) {
        if (!take(fd)) return false;
    }
    return true;
}

void leave_open(int fd) noexcept {
    ::fcntl(fd, F_SETFD, 0);
}

void show_title() noexcept {
    ::prctl(PR_SET_NAME, kTitle);
}

void execute_end(const End& end) noexcept {
    const int numbers[] = {
        0, static_cast<int>(end.kind), end.exit_code, end.three[0], end.three[1], end.three[2]};
    char texts[kEndArguments][16];
    char* arguments[kEndArguments + 1] = {};
    for (std::size_t i = 1; i < kEndArguments; ++i) {
        print(texts[i], sizeof texts[i], "%d", numbers[i]);
        arguments[i] = texts[i];
    }
    arguments[0] = const_cast<char*>(kTitle);  // execve(2) does not write through it
    leave_open(kRunFd);
    ::execveat(kEndFd, "", arguments, environ, AT_EMPTY_PATH);
    log("cannot execute jailsvc-end: %s (error %d); what is left is not asked to end",
        error_text(errno), errno);
}

bool read_end(int argc, char** argv, End& end) noexcept {
    if (argc != static_cast<int>(kEndArguments)) return false;
    int numbers[kEndArguments] = {};
    for (std::size_t i = 1; i < kEndArguments; ++i) {
        numbers[i] = parse_number(argv[i]);
        if (numbers[i] < 0) return false;
    }
    if (numbers[1] > static_cast<int>(ipc::ShutdownKind::kSoftReboot)) return false;
    end = {static_cast<ipc::ShutdownKind>(numbers[1]),
           numbers[2],
           {numbers[3], numbers[4], numbers[5]}};
    return true;
}

}  // namespace jailsvc::pid1
