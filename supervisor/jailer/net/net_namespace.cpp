#include "jailer/net/net_namespace.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace jailsvc::jailer {

IntoNetwork::IntoNetwork(int target) {
    if (target < 0) return;
    own_ = Fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (own_ && ::setns(target, CLONE_NEWNET) == 0) return;
    code_ = errno;
    own_ = Fd();
}

IntoNetwork::~IntoNetwork() {
    if (own_ && ::setns(own_.get(), CLONE_NEWNET) == -1) std::abort();
}

Result<void> set_loopback(bool up) {
    // Any socket of this namespace serves (netdevice(7)), also where the kernel has no IPv4.
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("socket");
    ifreq request{.ifr_ifrn = {"lo"}, .ifr_ifru = {}};
    request.ifr_flags = up ? IFF_UP | IFF_LOOPBACK : IFF_LOOPBACK;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) == -1) return fail_errno("lo");
    return {};
}

}  // namespace jailsvc::jailer
