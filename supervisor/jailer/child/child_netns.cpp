// [child] May call: raw:: system calls. No heap, no lock, no library: errno too is the jailer's.
#include "jailer/child/child_netns.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

int raise_loopback() noexcept {
    const raw::Handle socket(raw::call_int(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.ok()) return socket.get();
    ifreq request{.ifr_ifrn = {"lo"}, .ifr_ifru = {}};
    request.ifr_flags = IFF_UP | IFF_LOOPBACK;
    return raw::call_int(SYS_ioctl, socket.get(), SIOCSIFFLAGS, &request);
}

/// A descriptor of a new one, or a negative errno.
int make_namespace(bool loopback) noexcept {
    int code = raw::call_int(SYS_unshare, CLONE_NEWNET);
    if (code >= 0 && loopback) code = raise_loopback();
    if (code < 0) return code;
    return raw::call_int(SYS_openat, AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC, 0);
}

}  // namespace

int make_namespaces(void* raw_job) noexcept {
    NamespaceJob& job = *static_cast<NamespaceJob*>(raw_job);
    for (std::uint32_t i = 0; i < job.wanted; ++i) {
        const int fd = make_namespace(job.loopback);
        if (fd < 0) {
            job.code = -fd;
            return 1;
        }
        job.namespaces[i] = fd;
        job.made.store(i + 1, std::memory_order_release);
    }
    return 0;
}

}  // namespace jailsvc::jailer
