#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "egress/address.hpp"
#include "egress/reason.hpp"
#include "egress/watch.hpp"

namespace jailsvc::egress {

/// Both families in turn, the first one's first, as RFC 8305 has it.
[[nodiscard]] std::vector<Address> interleaved(const std::vector<Address>& addresses);

/// Whether the address is one of this machine's own: of a connection to it both ends have it. Asks
/// the kernel's routes; sends nothing.
[[nodiscard]] bool is_own_address(const Address& address);

/// Connects to the first of a few addresses that answers: the next is tried when one has failed, or
/// a little later beside it.
class Dialer {
public:
    struct Connected {
        Fd fd;
        Address address;
    };
    using Callback = std::function<void(std::expected<Connected, Reason>)>;

    explicit Dialer(struct ev_loop* loop) : loop_(loop), next_(loop) {}

    /// Calls back once, maybe before it returns; may be destroyed by that.
    void dial(std::vector<Address> addresses, std::uint16_t port, Callback done);

private:
    struct Attempt {
        explicit Attempt(struct ev_loop* loop) : writable(loop) {}
        Fd fd;
        Address address;
        IoWatch writable;
    };
    void try_next();
    [[nodiscard]] bool begin(const Address& address);
    void answered(Attempt* attempt);
    void give(std::expected<Connected, Reason> result);

    struct ev_loop* loop_;
    TimerWatch next_;
    std::vector<Address> addresses_;
    std::uint16_t port_ = 0;
    std::size_t tried_ = 0;
    std::vector<std::unique_ptr<Attempt>> attempts_;
    Callback done_;
};

}  // namespace jailsvc::egress
