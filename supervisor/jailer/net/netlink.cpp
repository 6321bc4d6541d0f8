#include "jailer/net/netlink.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "jailer/net/net_namespace.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kBuffer = 32768;  ///< the kernel fills no dump packet beyond (af_netlink.c)
constexpr int kTries = 8;

/// NLMSG_NEXT and RTA_NEXT advance by aligned lengths.
constexpr std::size_t aligned(std::size_t size) {
    return NLMSG_ALIGN(size);
}

/// One message of a packet; nullopt at its end, or where lengths do not add up.
struct Part {
    nlmsghdr header;
    std::string_view payload;
};
std::optional<Part> next_part(std::string_view& rest) {
    Part part{};
    if (rest.size() < sizeof part.header) return std::nullopt;
    std::memcpy(&part.header, rest.data(), sizeof part.header);
    const std::size_t size = part.header.nlmsg_len;
    if (size < sizeof part.header || size > rest.size()) return std::nullopt;
    part.payload = rest.substr(sizeof part.header, size - sizeof part.header);
    rest.remove_prefix(std::min(aligned(size), rest.size()));
    return part;
}

/// The errno that an NLMSG_ERROR carries: 0 acknowledges.
Result<void> error_of(std::string_view payload) {
    nlmsgerr error{};
    if (payload.size() < sizeof error.error) return fail("netlink: a short answer", EPROTO);
    std::memcpy(&error.error, payload.data(), sizeof error.error);
    if (error.error == 0) return {};
    return fail_errno("netlink", -error.error);
}

}  // namespace

NetlinkMessage::NetlinkMessage(std::uint16_t type, std::uint16_t flags) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    bytes_.append(reinterpret_cast<const char*>(&header), sizeof header);
}

void NetlinkMessage::pad() {
    bytes_.resize(aligned(bytes_.size()), '\0');
}

NetlinkMessage& NetlinkMessage::attribute(std::uint16_t type, std::string_view value) {
    rtattr header{};
    header.rta_len = static_cast<std::uint16_t>(sizeof header + value.size());
    header.rta_type = type;
    bytes_.append(reinterpret_cast<const char*>(&header), sizeof header);
    bytes_.append(value);
    pad();
    return *this;
}

NetlinkMessage& NetlinkMessage::number(std::uint16_t type, std::uint32_t value) {
    return attribute(type, {reinterpret_cast<const char*>(&value), sizeof value});
}

NetlinkMessage& NetlinkMessage::text(std::uint16_t type, const std::string& value) {
    return attribute(type, {value.c_str(), value.size() + 1});
}

void NetlinkMessage::close_nest(std::size_t at) {
    const auto size = static_cast<std::uint16_t>(bytes_.size() - at);
    std::memcpy(bytes_.data() + at + offsetof(rtattr, rta_len), &size, sizeof size);
}

std::string NetlinkMessage::finish(std::uint32_t serial) const {
    std::string packet = bytes_;
    nlmsghdr header{};
    std::memcpy(&header, packet.data(), sizeof header);
    header.nlmsg_len = static_cast<std::uint32_t>(packet.size());
    header.nlmsg_seq = serial;
    std::memcpy(packet.data(), &header, sizeof header);
    return packet;
}

std::optional<std::string_view> NetlinkAnswer::attribute(std::size_t fixed,
                                                         std::uint16_t wanted) const {
    std::string_view rest = payload;
    rest.remove_prefix(std::min(aligned(fixed), rest.size()));
    rtattr header{};
    while (rest.size() >= sizeof header) {
        std::memcpy(&header, rest.data(), sizeof header);
        if (header.rta_len < sizeof header || header.rta_len > rest.size()) return std::nullopt;
        if ((header.rta_type & NLA_TYPE_MASK) == wanted) {
            return rest.substr(sizeof header, header.rta_len - sizeof header);
        }
        rest.remove_prefix(std::min<std::size_t>(RTA_ALIGN(header.rta_len), rest.size()));
    }
    return std::nullopt;
}

Result<Netlink> Netlink::open() {
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) return fail_errno("netlink");
    // The kernel answers within the call that asks; this is only so that a fault cannot hang us.
    const timeval patience{.tv_sec = 2, .tv_usec = 0};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return Netlink(std::move(socket));
}

Result<Netlink> Netlink::open_in(int target) {
    const IntoNetwork into(target);
    if (into.code() != 0) return fail_errno("setns", into.code());
    return open();
}

Result<void> Netlink::send(const NetlinkMessage& message) {
    const std::string packet = message.finish(++serial_);
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    const auto* address = reinterpret_cast<const sockaddr*>(&kernel);
    if (::sendto(socket_.get(), packet.data(), packet.size(), 0, address, sizeof kernel) == -1) {
        return fail_errno("netlink");
    }
    return {};
}

Result<std::string> Netlink::receive() {
    std::string packet;
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    ssize_t count = 0;
    // Not filled before: that would touch eight pages, most of them for nothing.
    packet.resize_and_overwrite(kBuffer, [&](char* room, std::size_t most) {
        do {
            count = ::recvfrom(socket_.get(), room, most, MSG_TRUNC,
                               reinterpret_cast<sockaddr*>(&sender), &size);
        } while (count == -1 && errno == EINTR);
        return count == -1 ? 0 : std::min(static_cast<std::size_t>(count), most);
    });
    if (count == -1) return fail_errno("netlink");
    if (sender.nl_pid != 0) return fail("netlink: an answer that is not the kernel's", EPROTO);
    if (static_cast<std::size_t>(count) > kBuffer) return fail_errno("netlink", EMSGSIZE);
    packet.resize(static_cast<std::size_t>(count));
    return packet;
}

Result<void> Netlink::request(const NetlinkMessage& message) {
    TRY_VOID(send(message));
    for (;;) {
        TRY(const std::string packet, receive());
        std::string_view rest = packet;
        while (const auto part = next_part(rest)) {
            if (part->header.nlmsg_seq != serial_) continue;  // of a request given up
            if (part->header.nlmsg_type == NLMSG_ERROR) return error_of(part->payload);
        }
    }
}

/// True at the end of the dump.
Result<bool> Netlink::read_answers(std::string_view packet,
                                   std::vector<NetlinkAnswer>& answers) const {
    while (const auto part = next_part(packet)) {
        if (part->header.nlmsg_seq != serial_) continue;
        if ((part->header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) return fail_errno("netlink", EINTR);
        if (part->header.nlmsg_type == NLMSG_DONE) return true;
        if (part->header.nlmsg_type == NLMSG_ERROR) {
            TRY_VOID(error_of(part->payload));
            return true;
        }
        answers.push_back({part->header.nlmsg_type, std::string(part->payload)});
    }
    return false;
}

Result<std::vector<NetlinkAnswer>> Netlink::dump(const NetlinkMessage& message) {
    for (int tries = 1;; ++tries) {
        TRY_VOID(send(message));
        std::vector<NetlinkAnswer> answers;
        Result<bool> done = false;
        while (done && !*done) {
            TRY(const std::string packet, receive());
            done = read_answers(packet, answers);
        }
        if (done) return answers;
        if (done.error().code != EINTR || tries == kTries) {
            return std::unexpected(std::move(done).error());
        }
    }
}

}  // namespace jailsvc::jailer
