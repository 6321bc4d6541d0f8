#include "keeper/machine.hpp"

#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace jailsvc::keeper {
namespace {

constexpr ino_t kInitialPidNamespace = 0xeffffffc;  // PROC_PID_INIT_INO, linux/proc_ns.h

/// Mount points as /proc/mounts writes them: space, tab, newline and backslash as \ooo (fstab(5)).
void decode(char* path) noexcept {
    char* out = path;
    for (const char* in = path; *in != '\0'; ++out) {
        const bool octal = in[0] == '\\' && in[1] != '\0' && in[2] != '\0' && in[3] != '\0';
        *out =
            octal ? static_cast<char>((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0')) : *in;
        in += octal ? 4 : 1;
    }
    *out = '\0';
}

/// Newest mounts first, since later ones may lie on earlier ones. What is busy stays.
void unmount_all() noexcept {
    static char table[128 * 1024];
    const int fd = ::open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
    std::size_t size = 0;
    for (ssize_t n = 0; (n = ::read(fd, table + size, sizeof table - 1 - size)) > 0;) {
        size += static_cast<std::size_t>(n);
    }
    ::close(fd);
    while (size > 0) {
        table[size - 1] = '\0';  // the newline
        char* line = static_cast<char*>(::memrchr(table, '\n', size - 1));
        line = line != nullptr ? line + 1 : table;
        char* target = std::strchr(line, ' ');
        char* end = target != nullptr ? std::strchr(target + 1, ' ') : nullptr;
        if (end != nullptr) {
            *end = '\0';
            decode(target + 1);
            if (std::strncmp(target + 1, "/proc", 5) != 0) ::umount2(target + 1, UMOUNT_NOFOLLOW);
        }
        size = static_cast<std::size_t>(line - table);
    }
    ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

}  // namespace

Rank own_rank() noexcept {
    struct stat info{};
    const bool initial =
        ::stat("/proc/self/ns/pid", &info) == 0 && info.st_ino == kInitialPidNamespace;
    return rank_of(::getpid(), initial);
}

bool act_on_machine(Act act, int argument) noexcept {
    if (::getpid() != 1 || !may_act(own_rank(), act)) {
        errno = EPERM;
        return false;
    }
    switch (act) {
        case Act::kSignalAll:
            return ::kill(-1, argument) == 0;
        case Act::kUnmountAll:
            ::sync();
            unmount_all();
            ::sync();
            return true;
        case Act::kReboot:
            return ::reboot(argument) == 0;
    }
    return false;
}

ipc::ShutdownKind kind_of_signal(Rank rank, int signo) noexcept {
    if (rank != Rank::kMachineInit) return ipc::ShutdownKind::kExit;
    return signo == SIGINT ? ipc::ShutdownKind::kReboot : ipc::ShutdownKind::kPowerOff;
}

int reboot_command(ipc::ShutdownKind kind) noexcept {
    switch (kind) {
        case ipc::ShutdownKind::kHalt:
            return static_cast<int>(LINUX_REBOOT_CMD_HALT);
        case ipc::ShutdownKind::kKexec:
            return static_cast<int>(LINUX_REBOOT_CMD_KEXEC);
        case ipc::ShutdownKind::kReboot:
        case ipc::ShutdownKind::kSoftReboot:  // the whole one does what it promises, only slower
            return static_cast<int>(LINUX_REBOOT_CMD_RESTART);
        case ipc::ShutdownKind::kExit:  // the machine's init has nowhere to exit to
        case ipc::ShutdownKind::kPowerOff:
            return static_cast<int>(LINUX_REBOOT_CMD_POWER_OFF);
    }
    return static_cast<int>(LINUX_REBOOT_CMD_RESTART);
}

}  // namespace jailsvc::keeper
