#include "jailer/sockets/open_socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/sys.hpp"
#include "jailer/sockets/file_owner.hpp"
#include "jailer/sockets/holder.hpp"
#include "jailer/sockets/trusted_path.hpp"

namespace jailsvc::jailer {
namespace {

using config::SocketAddress;
using config::SocketKind;
using config::SocketTable;

/// Any socket address with its length.
struct Name {
    sockaddr_storage storage{};
    socklen_t size = 0;
    [[nodiscard]] const sockaddr* get() const {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
};

template <typename T>
Name to_name(const T& address, std::size_t size = sizeof(T)) {
    Name name;
    std::memcpy(&name.storage, &address, size);
    name.size = static_cast<socklen_t>(size);
    return name;
}

int type_of(SocketKind kind) {
    if (kind == SocketKind::kUdp || kind == SocketKind::kUnixDatagram) return SOCK_DGRAM;
    return kind == SocketKind::kUnixPackets ? SOCK_SEQPACKET : SOCK_STREAM;
}

Name unix_name(const SocketAddress& address) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    address.path.copy(un.sun_path, sizeof un.sun_path - 1);
    if (!address.path.starts_with('@')) return to_name(un);
    // An abstract name is as long as the address says, without a NUL at its end (unix(7)).
    un.sun_path[0] = '\0';
    return to_name(un, offsetof(sockaddr_un, sun_path) + address.path.size());
}

Result<Name> ipv6_name(const SocketAddress& address) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(static_cast<std::uint16_t>(address.port));
    std::memcpy(&in.sin6_addr, address.ip.data(), sizeof in.sin6_addr);
    if (!address.scope.empty()) {
        in.sin6_scope_id = ::if_nametoindex(address.scope.c_str());
        if (in.sin6_scope_id == 0) return fail_errno("interface " + address.scope);
    }
    return to_name(in);
}

Name ipv4_name(const SocketAddress& address) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(static_cast<std::uint16_t>(address.port));
    std::memcpy(&in.sin_addr, address.ip.data(), sizeof in.sin_addr);
    return to_name(in);
}

Name vsock_name(const SocketAddress& address) {
    sockaddr_vm vm{};
    vm.svm_family = AF_VSOCK;
    vm.svm_cid = address.cid;
    vm.svm_port = address.port;
    return to_name(vm);
}

Result<Name> name_of(const SocketAddress& address) {
    if (address.kind == SocketKind::kVsock) return vsock_name(address);
    if (!address.path.empty()) return unix_name(address);
    if (address.ipv6) return ipv6_name(address);
    return ipv4_name(address);
}

struct Option {
    bool wanted;
    int level;
    int name;
    int value;
    const char* text;
};

Result<void> set_options(int fd, const SocketAddress& address, const SocketTable& table) {
    const bool tcp = address.kind == SocketKind::kTcp;
    const bool internet = tcp || address.kind == SocketKind::kUdp;
    const bool is_unix = !address.path.empty();
    const auto defer = std::chrono::duration_cast<std::chrono::seconds>(table.defer_accept).count();
    const Option options[] = {
        // An old connection in TIME_WAIT keeps no port; a listening socket still does.
        {tcp, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"},
        {internet && address.ipv6, IPPROTO_IPV6, IPV6_V6ONLY, table.ipv6_only, "IPV6_V6ONLY"},
        {internet && table.reuse_port, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"},
        {internet && table.free_bind && address.ipv6, IPPROTO_IPV6, IPV6_FREEBIND, 1,
         "IPV6_FREEBIND"},
        {internet && table.free_bind && !address.ipv6, IPPROTO_IP, IP_FREEBIND, 1, "IP_FREEBIND"},
        {tcp && table.no_delay, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"},
        {tcp && table.keep_alive, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"},
        {tcp && defer > 0, IPPROTO_TCP, TCP_DEFER_ACCEPT, static_cast<int>(defer),
         "TCP_DEFER_ACCEPT"},
        {is_unix && table.pass_credentials, SOL_SOCKET, SO_PASSCRED, 1, "SO_PASSCRED"},
        {table.receive_buffer != 0, SOL_SOCKET, SO_RCVBUF, static_cast<int>(table.receive_buffer),
         "SO_RCVBUF"},
        {table.send_buffer != 0, SOL_SOCKET, SO_SNDBUF, static_cast<int>(table.send_buffer),
         "SO_SNDBUF"},
    };
    for (const Option& option : options) {
        if (!option.wanted) continue;
        if (::setsockopt(fd, option.level, option.name, &option.value, sizeof option.value) == -1) {
            return fail_errno(option.text);
        }
    }
    const std::string& device = table.bind_to_device;
    if (internet && !device.empty() &&
        ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                     static_cast<socklen_t>(device.size())) == -1) {
        return fail_errno("bind_to_device " + device);
    }
    return {};
}

std::unexpected<Error> in_use(const SocketAddress& address) {
    const std::string holder = holder_of(address);
    const std::string by = holder.empty() ? "another process" : holder;
    return fail("is in use by " + by + "; stop that, or choose another address", EADDRINUSE);
}

/// Whether nobody listens at a socket's file.
Result<void> require_stale(const SocketAddress& address) {
    const Fd probe(::socket(AF_UNIX, type_of(address.kind) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe) return fail_errno("socket");
    const Name name = unix_name(address);
    const int code = ::connect(probe.get(), name.get(), name.size) == 0 ? 0 : errno;
    if (code == ECONNREFUSED || code == ENOENT) return {};
    return in_use(address);
}

/// Makes room for the file.
Result<void> remove_stale(const SocketAddress& address) {
    struct stat info{};
    if (::lstat(address.path.c_str(), &info) == -1) {
        if (errno == ENOENT) return {};
        return fail_errno(address.path);
    }
    const bool fifo = address.kind == SocketKind::kFifo;
    if (fifo ? !S_ISFIFO(info.st_mode) : !S_ISSOCK(info.st_mode)) {
        return fail(fmt::format("there is something else than a {} of that name; remove it, or "
                                "choose another path",
                                fifo ? "FIFO" : "socket"),
                    EEXIST);
    }
    if (!fifo) TRY_VOID(require_stale(address));
    if (::unlink(address.path.c_str()) == -1) return fail_errno("remove what was left there");
    return {};
}

/// While it lives, files are made with this mode at once: nobody can use them before.
class Umask {
public:
    explicit Umask(mode_t mode) : before_(::umask(0777U & ~mode)) {}
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;
    ~Umask() { ::umask(before_); }

private:
    mode_t before_;
};

mode_t mode_of(const SocketTable& table) {
    return static_cast<mode_t>(std::stoul(table.mode, nullptr, 8));  // checked with the unit
}

/// In a directory of root's, so that the name is still that file.
Result<void> give_to_owner(const std::string& path, const FileOwner& owner) {
    if (owner.uid == 0 && owner.gid == 0) return {};
    if (::lchown(path.c_str(), owner.uid, owner.gid) == -1) return fail_errno("chown");
    return {};
}

Result<Fd> open_fifo(const SocketAddress& address, const SocketTable& table,
                     const FileOwner& owner) {
    const Umask umask(mode_of(table));
    if (::mkfifo(address.path.c_str(), mode_of(table)) == -1) return fail_errno("mkfifo");
    TRY_VOID(give_to_owner(address.path, owner));
    // For both directions, so that it has no end while nobody writes (fifo(7)).
    return sys::open(address.path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
}

Result<void> bind_to(int fd, const SocketAddress& address, const SocketTable& table) {
    TRY(const Name name, name_of(address));
    const Umask umask(address.has_file() ? mode_of(table) : 0777U);
    if (::bind(fd, name.get(), name.size) == 0) return {};
    if (errno != EADDRINUSE) return fail_errno("bind");
    return in_use(address);
}

Result<Fd> open_bound(const SocketAddress& address, const SocketTable& table,
                      const FileOwner& owner) {
    const int family = address.kind == SocketKind::kVsock ? AF_VSOCK
                       : !address.path.empty()            ? AF_UNIX
                       : address.ipv6                     ? AF_INET6
                                                          : AF_INET;
    Fd fd(::socket(family, type_of(address.kind) | SOCK_CLOEXEC, 0));
    if (!fd && errno == EAFNOSUPPORT && address.any && address.ipv6) {
        SocketAddress ipv4 = address;
        ipv4.ipv6 = false;
        return open_bound(ipv4, table, owner);
    }
    if (!fd) return fail_errno("socket");
    TRY_VOID(set_options(fd.get(), address, table));
    TRY_VOID(bind_to(fd.get(), address, table));
    if (address.has_file()) TRY_VOID(give_to_owner(address.path, owner));
    if (!address.has_connections()) return fd;
    if (::listen(fd.get(), static_cast<int>(table.backlog)) == 0) return fd;
    // Of TCP that may be the first to tell.
    if (errno == EADDRINUSE) return in_use(address);
    return fail_errno("listen");
}

Result<Fd> open_prepared(const SocketAddress& address, const SocketTable& table) {
    if (!address.has_file()) return open_bound(address, table, {});
    TRY(const FileOwner owner, file_owner(table.owner, table.group));
    TRY_VOID(make_trusted_parent(address.path));
    TRY_VOID(remove_stale(address));
    auto opened = address.kind == SocketKind::kFifo ? open_fifo(address, table, owner)
                                                    : open_bound(address, table, owner);
    if (!opened && opened.error().code != EADDRINUSE) remove_socket_file(address);
    return opened;
}

}  // namespace

Result<Fd> open_socket(const SocketAddress& address, const SocketTable& table) {
    auto opened = open_prepared(address, table);
    if (!opened) return fail_in(to_string(address), std::move(opened).error());
    return opened;
}

bool still_listens(int fd, const SocketAddress& address, const SocketTable& table) {
    if (!address.has_connections()) return true;
    // A Unix socket is in its state for good: what was shut down is lost.
    pollfd lost{fd, POLLRDHUP, 0};
    if (!address.path.empty()) return ::poll(&lost, 1, 0) != 1;
    int listens = 1;  // if that cannot be asked
    socklen_t size = sizeof listens;
    (void)::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    return listens != 0 || ::listen(fd, static_cast<int>(table.backlog)) == 0;
}

void remove_socket_file(const SocketAddress& address) {
    if (!address.has_file()) return;
    struct stat info{};
    if (::lstat(address.path.c_str(), &info) == -1) return;
    if (S_ISSOCK(info.st_mode) || S_ISFIFO(info.st_mode)) (void)::unlink(address.path.c_str());
}

}  // namespace jailsvc::jailer
