#include "egress/dialer.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace jailsvc::egress {
namespace {

constexpr double kStagger = 0.25;  ///< [s] RFC 8305, section 5
constexpr std::size_t kMaxAttempts = 6;

sockaddr* raw(sockaddr_storage& storage) {
    return reinterpret_cast<sockaddr*>(&storage);
}

}  // namespace

std::vector<Address> interleaved(const std::vector<Address>& addresses) {
    std::vector<Address> one, other, all;
    for (const Address& address : addresses) {
        (address.ipv6 == addresses.front().ipv6 ? one : other).push_back(address);
    }
    for (std::size_t i = 0; i < std::max(one.size(), other.size()); ++i) {
        if (i < one.size()) all.push_back(one[i]);
        if (i < other.size()) all.push_back(other[i]);
    }
    return all;
}

bool is_own_address(const Address& address) {
    constexpr std::uint16_t kAnyPort = 9;  // nothing is sent to it
    const Fd probe(::socket(address.ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    socklen_t size = address.to_socket(kAnyPort, storage);
    if (!probe || ::connect(probe.get(), raw(storage), size) == -1) return false;
    size = sizeof storage;
    if (::getsockname(probe.get(), raw(storage), &size) == -1) return true;
    return Address::from(raw(storage)) == address;
}

void Dialer::dial(std::vector<Address> addresses, std::uint16_t port, Callback done) {
    addresses_ = interleaved(addresses);
    if (addresses_.size() > kMaxAttempts) addresses_.resize(kMaxAttempts);
    port_ = port;
    done_ = std::move(done);
    try_next();
}

void Dialer::try_next() {
    next_.stop();
    while (tried_ < addresses_.size()) {
        if (!begin(addresses_[tried_++])) continue;
        if (tried_ < addresses_.size()) next_.start(kStagger, [this] { try_next(); });
        return;
    }
    if (attempts_.empty()) give(std::unexpected(Reason::kConnectFailed));
}

bool Dialer::begin(const Address& address) {
    auto attempt = std::make_unique<Attempt>(loop_);
    attempt->address = address;
    attempt->fd = Fd(
        ::socket(address.ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!attempt->fd) return false;
    const int on = 1;
    (void)::setsockopt(attempt->fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_storage storage{};
    const socklen_t size = address.to_socket(port_, storage);
    const int rc = ::connect(attempt->fd.get(), raw(storage), size);
    if (rc == -1 && errno != EINPROGRESS) return false;
    attempt->writable.start(attempt->fd.get(), EV_WRITE,
                            [this, at = attempt.get()](int) { answered(at); });
    attempts_.push_back(std::move(attempt));
    return true;
}

void Dialer::answered(Attempt* attempt) {
    int code = 0;
    socklen_t size = sizeof code;
    (void)::getsockopt(attempt->fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
    attempt->writable.stop();
    if (code == 0) return give(Connected{std::move(attempt->fd), attempt->address});
    std::erase_if(attempts_, [&](const auto& one) { return one.get() == attempt; });
    try_next();
}

void Dialer::give(std::expected<Connected, Reason> result) {
    next_.stop();
    attempts_.clear();
    const auto done = std::exchange(done_, nullptr);  // which may destroy us
    done(std::move(result));
}

}  // namespace jailsvc::egress
