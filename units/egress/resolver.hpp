#pragma once

#include <ares.h>

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "egress/address.hpp"
#include "egress/reason.hpp"
#include "egress/watch.hpp"

namespace jailsvc::egress {

/// Names to addresses by c-ares, on the loop.
class Resolver {
public:
    static constexpr std::size_t kMaxAddresses = 16;

    /// The addresses, in the order of the answers; kNoSuchHost or kResolverFailed.
    using Answer = std::expected<std::vector<Address>, Reason>;
    using Callback = std::function<void(const Answer&)>;

    /// Whoever asked and drops it is not called.
    struct Query {
        Callback done;
    };

    [[nodiscard]] static Result<std::unique_ptr<Resolver>> make(struct ev_loop* loop,
                                                                const std::string& nameservers);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    /// `host` as plain_host gives it. May call back before it returns, not after the query is gone.
    [[nodiscard]] std::shared_ptr<Query> resolve(const std::string& host, Callback done);

private:
    explicit Resolver(struct ev_loop* loop) : loop_(loop), timer_(loop) {}
    static void socket_changed(void* self, ares_socket_t fd, int readable, int writable) noexcept;
    static void answered(void* waiting, int status, int timeouts, ares_addrinfo* result) noexcept;
    void process(ares_socket_t readable, ares_socket_t writable);
    void wait();

    struct ev_loop* loop_;
    TimerWatch timer_;
    ares_channel channel_ = nullptr;
    std::map<ares_socket_t, std::unique_ptr<IoWatch>> sockets_;
};

}  // namespace jailsvc::egress
