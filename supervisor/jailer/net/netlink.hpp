#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

/// rtnetlink(7) in the small: requests built from a fixed header and attributes, answers read with
/// every length checked.
namespace jailsvc::jailer {

/// A request; its parts are added in the order in which they stand in the packet.
class NetlinkMessage {
public:
    /// `type` is RTM_*, `flags` NLM_F_* besides NLM_F_REQUEST.
    template <typename Body>
    NetlinkMessage(std::uint16_t type, std::uint16_t flags, const Body& body)
        : NetlinkMessage(type, flags) {
        static_assert(std::is_trivially_copyable_v<Body>);
        bytes_.append(reinterpret_cast<const char*>(&body), sizeof body);
        pad();
    }
    NetlinkMessage& attribute(std::uint16_t type, std::string_view value);
    NetlinkMessage& number(std::uint16_t type, std::uint32_t value);
    /// A text with its NUL.
    NetlinkMessage& text(std::uint16_t type, const std::string& value);
    /// The attributes that `fill` adds are inside this one.
    template <typename Fill>
    NetlinkMessage& nest(std::uint16_t type, const Fill& fill) {
        const std::size_t at = bytes_.size();
        attribute(type, {});
        fill(*this);
        close_nest(at);
        return *this;
    }
    /// More of the fixed kind, as some nested attributes begin with.
    template <typename Body>
    NetlinkMessage& body(const Body& more) {
        bytes_.append(reinterpret_cast<const char*>(&more), sizeof more);
        pad();
        return *this;
    }
    [[nodiscard]] std::string finish(std::uint32_t serial) const;

private:
    NetlinkMessage(std::uint16_t type, std::uint16_t flags);
    void close_nest(std::size_t at);
    void pad();
    std::string bytes_;
};

/// One answer of a dump: the type, and what follows the message's header.
struct NetlinkAnswer {
    std::uint16_t type = 0;
    std::string payload;

    /// The fixed part; nullopt if the answer is shorter.
    template <typename Body>
    [[nodiscard]] std::optional<Body> body() const {
        if (payload.size() < sizeof(Body)) return std::nullopt;
        Body value;
        std::memcpy(&value, payload.data(), sizeof value);
        return value;
    }
    /// Value of the attribute that follows a fixed part of `fixed` bytes.
    [[nodiscard]] std::optional<std::string_view> attribute(std::size_t fixed,
                                                            std::uint16_t wanted) const;
};

/// A socket to the network namespace in which it was opened, wherever its user has gone since.
class Netlink {
public:
    [[nodiscard]] static Result<Netlink> open();
    /// In that of a process or namespace; see IntoNetwork.
    [[nodiscard]] static Result<Netlink> open_in(int target);

    /// Waits for the kernel's acknowledgement; the error is its errno.
    [[nodiscard]] Result<void> request(const NetlinkMessage& message);
    /// The request has NLM_F_DUMP; all answers. EINTR of the kernel's (something changed meanwhile)
    /// is tried again.
    [[nodiscard]] Result<std::vector<NetlinkAnswer>> dump(const NetlinkMessage& message);

private:
    explicit Netlink(Fd socket) : socket_(std::move(socket)) {}
    Result<void> send(const NetlinkMessage& message);
    Result<std::string> receive();
    Result<bool> read_answers(std::string_view packet, std::vector<NetlinkAnswer>& answers) const;

    Fd socket_;
    std::uint32_t serial_ = 0;
};

}  // namespace jailsvc::jailer
