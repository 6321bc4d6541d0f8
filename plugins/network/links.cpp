#include "links.hpp"

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

namespace jailsvc::network {
namespace {

/// A packet under construction, each part aligned to four bytes as netlink has it.
class Packet {
public:
    template <typename Part>
    Packet& part(const Part& part) {
        bytes_.append(reinterpret_cast<const char*>(&part), sizeof part);
        bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
        return *this;
    }
    Packet& text(std::uint16_t type, const char* value) {
        const std::size_t size = std::strlen(value) + 1;
        part(nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + size), type});
        bytes_.append(value, size);
        bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
        return *this;
    }
    std::size_t open(std::uint16_t type) {
        part(nlattr{0, type});
        return bytes_.size() - sizeof(nlattr);
    }
    void close(std::size_t at) {
        const auto size = static_cast<std::uint16_t>(bytes_.size() - at);
        std::memcpy(&bytes_[at], &size, sizeof size);
    }
    std::string finish() {
        const auto size = static_cast<std::uint32_t>(bytes_.size());
        std::memcpy(bytes_.data(), &size, sizeof size);
        return bytes_;
    }

private:
    std::string bytes_;
};

/// The acknowledgement's errno.
int ask(const std::string& packet) {
    const int kernel = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (kernel == -1) return errno;
    struct {
        nlmsghdr head;
        nlmsgerr error;
        char rest[512];
    } answer{};
    int code = 0;
    if (::send(kernel, packet.data(), packet.size(), 0) == -1 ||
        ::recv(kernel, &answer, sizeof answer, 0) < static_cast<ssize_t>(sizeof answer.head)) {
        code = errno != 0 ? errno : EPROTO;
    } else {
        code = answer.head.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
    }
    ::close(kernel);
    return code;
}

}  // namespace

int make_veth_pair(const char* one, const char* other) {
    Packet packet;
    nlmsghdr head{};
    head.nlmsg_type = RTM_NEWLINK;
    head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    packet.part(head).part(ifinfomsg{}).text(IFLA_IFNAME, one);
    const std::size_t info = packet.open(IFLA_LINKINFO);
    packet.text(IFLA_INFO_KIND, "veth");
    const std::size_t data = packet.open(IFLA_INFO_DATA);
    const std::size_t peer = packet.open(VETH_INFO_PEER);
    packet.part(ifinfomsg{}).text(IFLA_IFNAME, other);
    for (const std::size_t at : {peer, data, info}) packet.close(at);
    return ask(packet.finish());
}

int raise_interface(const char* name) {
    const int any = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (any == -1) return errno;
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    const int code = ::ioctl(any, SIOCSIFFLAGS, &request) == -1 ? errno : 0;
    ::close(any);
    return code;
}

}  // namespace jailsvc::network
