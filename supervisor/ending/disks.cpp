#include <fcntl.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.hpp"
#include "ending/ending.hpp"
#include "ending/fields.hpp"
#include "pid1/machine.hpp"

namespace jailsvc::ending {
namespace {

char table[128 * 1024];  ///< of mounts or swaps; longer ones lose their newest

void remount_read_only(const char* target) noexcept {
    ::mount(nullptr, target, nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

/// The file's lines, the last one first, each as the text of one of its fields.
template <typename Use>
void for_each_field(const char* path, unsigned number, Use use) noexcept {
    const Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    std::size_t size = 0;
    for (ssize_t n; (n = ::read(file.get(), table + size, sizeof table - 1 - size)) > 0;) {
        size += static_cast<std::size_t>(n);
    }
    while (size > 0) {
        char* const line = cut_last_line(table, size);
        if (char* const text = cut_field(line, number); text != nullptr) use(text);
    }
}

}  // namespace

void leave_disks() noexcept {
    if (!pid1::may_act(pid1::Act::kUnmountAll)) return;
    ::sync();
    for_each_field("/proc/swaps", 0, [](const char* path) { ::swapoff(path); });
    // Newest mounts first, since later ones may lie on earlier ones. What is busy becomes
    // read-only.
    for_each_field("/proc/self/mounts", 1, [](const char* target) {
        if (::umount2(target, UMOUNT_NOFOLLOW) < 0) remount_read_only(target);
    });
    remount_read_only("/");
    ::sync();
}

}  // namespace jailsvc::ending
