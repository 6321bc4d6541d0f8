#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "egress/audit.hpp"
#include "egress/dialer.hpp"
#include "egress/http_head.hpp"
#include "egress/policy.hpp"
#include "egress/relay.hpp"
#include "egress/resolver.hpp"
#include "egress/settings.hpp"
#include "egress/socks.hpp"

namespace jailsvc::egress {

/// What all connections share.
struct Context {
    struct ev_loop* loop;
    Settings settings;
    PolicyFile& policy;
    Resolver& resolver;
    std::function<void(std::vector<Fd>)> adopt;  ///< listening sockets that were handed over
};

/// One connection of a client, from its first byte to its last: what it asks for is read, judged,
/// looked up, judged again by its addresses, connected to, and relayed.
class Session {
public:
    /// `local`: over a Unix socket. `ended` is called once, from a callback of the session's own:
    /// it must not be destroyed before that has returned.
    Session(Context& context, std::uint64_t number, Fd client, bool local,
            std::function<void(Session*)> ended);

private:
    enum class Protocol : std::uint8_t { kUnknown, kHttp, kConnect, kSocks };

    void readable();
    [[nodiscard]] long receive_some();
    void look_at_input();
    void take_handover();
    void take_socks();
    void take_http();
    void ask(const std::string& host, std::uint16_t port);
    void resolved(const Resolver::Answer& answer);
    void connected(std::expected<Dialer::Connected, Reason> result);
    [[nodiscard]] Relay::Start what_to_send();
    void refuse(Reason reason);
    void linger(const std::string& last);
    void finish();
    [[nodiscard]] std::uint64_t age() const;

    Context& context_;
    Fd client_;
    bool local_;
    std::function<void(Session*)> ended_;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    IoWatch watch_;
    TimerWatch limit_;
    Protocol protocol_ = Protocol::kUnknown;
    std::string input_;
    std::vector<Fd> passed_;
    SocksHandshake socks_;
    RequestHead head_;
    std::string host_;  ///< as plain_host gave it
    std::uint16_t port_ = 0;
    AuditEntry entry_;
    std::shared_ptr<Resolver::Query> query_;
    std::unique_ptr<Dialer> dialer_;
    std::unique_ptr<Relay> relay_;
};

}  // namespace jailsvc::egress
