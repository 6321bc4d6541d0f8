#include "keeper/machine.hpp"

#include <fcntl.h>
#include <linux/reboot.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.hpp"

namespace jailsvc::keeper {
namespace {

/// By ipc::ShutdownKind. The machine's init has nowhere to exit to; a soft reboot's promise is kept
/// by the whole one, only slower.
constexpr unsigned kRebootCommands[] = {
    LINUX_REBOOT_CMD_POWER_OFF,  // kExit
    LINUX_REBOOT_CMD_POWER_OFF,  // kPowerOff
    LINUX_REBOOT_CMD_RESTART,    // kReboot
    LINUX_REBOOT_CMD_HALT,       // kHalt
    LINUX_REBOOT_CMD_KEXEC,      // kKexec
    LINUX_REBOOT_CMD_RESTART,    // kSoftReboot
};

/// Mount points as /proc/mounts writes them: space, tab, newline and backslash as \ooo (fstab(5)).
void decode(char* path) noexcept {
    char* out = path;
    while (*path != '\0') {
        const bool octal = *path == '\\';
        const int code = octal ? (path[1] - '0') * 64 + (path[2] - '0') * 8 + path[3] - '0' : *path;
        *out++ = static_cast<char>(code);
        path += octal ? 4 : 1;
    }
    *out = '\0';
}

void remount_read_only(const char* target) noexcept {
    ::mount(nullptr, target, nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

/// Newest mounts first, since later ones may lie on earlier ones. What is busy becomes read-only.
void unmount_all() noexcept {
    static char table[128 * 1024];
    const Fd mounts(::open("/proc/self/mounts", O_RDONLY | O_CLOEXEC));
    std::size_t size = 0;
    for (ssize_t n; (n = ::read(mounts.get(), table + size, sizeof table - 1 - size)) > 0;) {
        size += static_cast<std::size_t>(n);
    }
    while (size > 0) {
        table[size - 1] = '\0';  // the newline
        const void* newline = ::memrchr(table, '\n', size - 1);
        const auto* line = newline != nullptr ? static_cast<const char*>(newline) + 1 : table;
        char* target = std::strchr(table + (line - table), ' ') + 1;
        *::strchrnul(target, ' ') = '\0';
        decode(target);
        if (::umount2(target, UMOUNT_NOFOLLOW) < 0) remount_read_only(target);
        size = static_cast<std::size_t>(line - table);
    }
    remount_read_only("/");
}

}  // namespace

/// reboot(2) knows no Ctrl-Alt-Del in a pid namespace but the first: EINVAL there.
Rank own_rank() noexcept {
    if (::getpid() != 1) return Rank::kSubreaper;
    const bool machine = ::reboot(static_cast<int>(LINUX_REBOOT_CMD_CAD_OFF)) == 0;
    return machine ? Rank::kMachineInit : Rank::kContainerInit;
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
    return static_cast<int>(kRebootCommands[static_cast<std::size_t>(kind)]);
}

}  // namespace jailsvc::keeper
