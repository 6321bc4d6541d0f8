#include "jailer/loop/egress.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "base/sys.hpp"
#include "config/companions.hpp"
#include "jailer/net/net_namespace.hpp"
#include "jailer/plan/egress_access.hpp"

namespace jailsvc::jailer {
namespace {

/// Others of the host cannot get at the sockets in it; a jail gets the mount of its own.
constexpr mode_t kRoot = 0700;
constexpr mode_t kDirectory = 0755;
constexpr mode_t kFile = 0644;
constexpr int kBacklog = 512;
/// As units/egress/handover.hpp has it.
constexpr std::string_view kHandover("\0listeners\n", 11);
constexpr std::size_t kMaxListeners = 2;

Result<Fd> make_directory(int parent, const std::string& path, const char* name, mode_t mode) {
    if (::mkdirat(parent, name, mode) == -1 && errno != EEXIST) return fail_errno(path);
    Fd dir(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat info{};
    if (!dir || ::fstat(dir.get(), &info) == -1) return fail_errno(path);
    // Whoever owns it could put another list in the place of ours.
    if (info.st_uid != ::geteuid()) {
        return fail(fmt::format("{}: belongs to uid {}; it is the supervisor's: take it out of the "
                                "runtime_directory of the unit that made it",
                                path, info.st_uid),
                    EPERM);
    }
    if (::fchmod(dir.get(), mode) == -1) return fail_errno(path);
    return dir;
}

std::string policy_of(const CompiledPlan& plan) {
    std::string text = fmt::format("unit {}\n", plan.unit());
    plan.for_each(JSV_OP_EGRESS, [&](std::uint32_t, const Op& op) {
        text += fmt::format("allow {}\n", op.text[0]);
    });
    return text;
}

/// Nobody else may enter the directory above, a jail with a user namespace neither: it gets the
/// mount from us.
void add_tree(const CompiledPlan& plan, int dir, ParentWork& work) {
    plan.for_each(JSV_OP_BIND, [&](std::uint32_t index, const Op& op) {
        if (op.text[1] != kEgressDirectory || op.plugin != "core") return;
        Fd tree(static_cast<int>(::syscall(SYS_open_tree, dir, "",
                                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
        if (tree) work.trees.push_back({index, std::move(tree)});
    });
}

/// A socket of the network namespace that we are in.
Result<Fd> listen_on(const sockaddr* address, socklen_t size) {
    Fd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return fail_errno("socket");
    const int on = 1;
    if (address->sa_family == AF_INET6 &&
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == -1) {
        return fail_errno("IPV6_V6ONLY");
    }
    if (::bind(socket.get(), address, size) == -1) return fail_errno("bind");
    if (::listen(socket.get(), kBacklog) == -1) return fail_errno("listen");
    return socket;
}

/// 127.0.0.1 and, where the kernel has IPv6, ::1.
Result<std::vector<Fd>> listen_inside(int stub_pidfd, std::uint16_t port) {
    const IntoNetwork inside(stub_pidfd);
    if (inside.code() != 0) return fail_errno("setns", inside.code());
    std::vector<Fd> listeners;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    TRY(Fd first, listen_on(reinterpret_cast<const sockaddr*>(&four), sizeof four));
    listeners.push_back(std::move(first));
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    six.sin6_addr = in6addr_loopback;
    auto second = listen_on(reinterpret_cast<const sockaddr*>(&six), sizeof six);
    if (second) {
        listeners.push_back(std::move(*second));
    } else if (second.error().code != EAFNOSUPPORT && second.error().code != EADDRNOTAVAIL) {
        return std::unexpected(std::move(second).error());
    }
    return listeners;
}

/// By way of a descriptor of its directory: sun_path has room for 108 bytes (unix(7)).
Result<Fd> connect_to_proxy(const std::string& directory) {
    TRY(const Fd dir, sys::open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW));
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return fail_errno("socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}/{}",
                     dir.get(), kEgressSocket);
    // Not waited for: what is sent lies there until the proxy takes it.
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
        -1) {
        return fail_errno("connect");
    }
    return socket;
}

Result<void> send_listeners(int socket, const std::vector<Fd>& listeners) {
    std::string text(kHandover);
    iovec part{text.data(), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxListeners * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(listeners.size() * sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(listeners.size() * sizeof(int));
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        const int fd = listeners[i].get();
        std::memcpy(CMSG_DATA(head) + i * sizeof fd, &fd, sizeof fd);
    }
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) == -1) return fail_errno("sendmsg");
    return {};
}

}  // namespace

Result<void> give_way_out(Core& core, const LoadedUnit& loaded, ParentWork& work) {
    if (loaded.plan.find(JSV_OP_EGRESS) == nullptr) return {};
    const std::string root = core.places.egress_root();
    const std::string name = config::companion_instance(loaded.plan.unit());
    TRY_VOID(sys::make_directories(root));
    TRY(const Fd all, make_directory(AT_FDCWD, root, root.c_str(), kRoot));
    TRY(const Fd dir, make_directory(all.get(), root + "/" + name, name.c_str(), kDirectory));
    const std::string path = fmt::format("/proc/self/fd/{}/{}", dir.get(), kEgressPolicy);
    TRY_VOID(sys::replace_file(path, policy_of(loaded.plan), kFile));
    add_tree(loaded.plan, dir.get(), work);
    return {};
}

Result<void> give_proxy_on_loopback(Core& core, const LoadedUnit& loaded, int stub_pidfd) {
    const Op* op = loaded.plan.find(JSV_OP_EGRESS);
    if (op == nullptr) return {};
    const std::string& unit = loaded.plan.unit();
    auto listeners = listen_inside(stub_pidfd, static_cast<std::uint16_t>(op->number[0]));
    if (!listeners) {
        return fail_in(fmt::format("{}: port {} of its loopback", unit, op->number[0]),
                       std::move(listeners).error());
    }
    auto proxy = connect_to_proxy(egress_directory(core.places, unit));
    if (!proxy) {
        return fail_in(
            fmt::format("{}: its proxy {} does not listen; `jailsvc status` of that says why", unit,
                        config::companion_of(unit, kEgressCompanion)),
            std::move(proxy).error());
    }
    auto sent = send_listeners(proxy->get(), *listeners);
    if (!sent) return fail_in(unit + ": its proxy", std::move(sent).error());
    return {};
}

}  // namespace jailsvc::jailer
