#include "egress/session.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "egress/handover.hpp"
#include "egress/host_name.hpp"

namespace jailsvc::egress {
namespace {

constexpr double kLinger = 2;  ///< [s] until a refused client has read its answer
constexpr std::size_t kMaxSocks = 1024;
constexpr std::string_view kTunnelStands = "HTTP/1.1 200 Connection established\r\n\r\n";

}  // namespace

Session::Session(Context& context, std::uint64_t number, Fd client, bool local,
                 std::function<void(Session*)> ended)
    : context_(context),
      client_(std::move(client)),
      local_(local),
      ended_(std::move(ended)),
      watch_(context.loop),
      limit_(context.loop) {
    entry_.connection = number;
    const auto policy = context.policy.current();
    if (policy) entry_.unit = policy->unit;
    limit_.start(static_cast<double>(context.settings.head_timeout),
                 [this] { refuse(Reason::kHeadTimeout); });
    watch_.start(client_.get(), EV_READ, [this](int) { readable(); });
}

long Session::receive_some() {
    if (local_ && input_.empty()) return receive(client_.get(), input_, passed_);
    std::array<char, 16384> buffer;
    const ssize_t size = ::recv(client_.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) input_.append(buffer.data(), static_cast<std::size_t>(size));
    return size;
}

void Session::readable() {
    const long size = receive_some();
    if (size == -1 && (errno == EAGAIN || errno == EINTR)) return;
    if (size > 0) return look_at_input();
    // One that connects and leaves has asked for nothing.
    if (input_.empty() && protocol_ == Protocol::kUnknown) return finish();
    refuse(Reason::kBadRequest);
}

void Session::look_at_input() {
    if (protocol_ == Protocol::kUnknown) {
        if (input_.front() == kHandover.front()) return take_handover();
        passed_.clear();  // nobody has asked for them
        const bool socks = input_.front() == SocksHandshake::kVersion;
        protocol_ = socks ? Protocol::kSocks : Protocol::kHttp;
        entry_.protocol = socks ? "socks5" : "http";
    }
    protocol_ == Protocol::kSocks ? take_socks() : take_http();
}

void Session::take_handover() {
    const bool good =
        local_ && input_ == kHandover && !passed_.empty() && is_from_root(client_.get());
    if (!good) return refuse(Reason::kBadRequest);
    for (const Fd& fd : passed_) {
        if (!listens(fd.get())) return refuse(Reason::kBadRequest);
    }
    context_.adopt(std::move(passed_));
    finish();
}

void Session::take_socks() {
    const auto state = socks_.take(input_);
    const std::string reply = std::exchange(socks_.reply, {});
    if (state == SocksHandshake::State::kRefused) {
        entry_.reason = socks_.reason();
        entry_.milliseconds = age();
        audit(AuditEvent::kDenied, entry_);
        return linger(reply);
    }
    // Of a few bytes, the first on this connection: they fit.
    if (!reply.empty() && ::send(client_.get(), reply.data(), reply.size(), MSG_NOSIGNAL) !=
                              static_cast<ssize_t>(reply.size())) {
        return finish();
    }
    if (state == SocksHandshake::State::kAsked) return ask(socks_.host(), socks_.port());
    if (input_.size() > kMaxSocks) refuse(Reason::kHeadTooLarge);
}

void Session::take_http() {
    const std::size_t end = head_end(input_);
    if (end > kMaxHead || (end == 0 && input_.size() > kMaxHead)) {
        return refuse(Reason::kHeadTooLarge);
    }
    if (end == 0) return;
    auto head = parse_head(std::string_view(input_).substr(0, end));
    if (!head) return refuse(head.error());
    input_.erase(0, end);
    head_ = std::move(*head);
    if (head_.connect) protocol_ = Protocol::kConnect;
    if (head_.connect) entry_.protocol = "connect";
    ask(head_.host, head_.port);
}

void Session::ask(const std::string& host, std::uint16_t port) {
    watch_.stop();  // what it sends from here on waits
    entry_.host = host;
    entry_.port = port;
    port_ = port;
    limit_.start(static_cast<double>(context_.settings.connect_timeout),
                 [this] { refuse(Reason::kConnectTimeout); });
    const auto policy = context_.policy.current();
    if (!policy) return refuse(Reason::kNoPolicy);
    entry_.unit = policy->unit;
    auto plain = plain_host(host);
    if (!plain) return refuse(plain.error());
    host_ = std::move(*plain);
    if (!policy->allowed.allows(host_, port)) return refuse(Reason::kHostNotAllowed);
    query_ = context_.resolver.resolve(
        host_, [this](const Resolver::Answer& answer) { resolved(answer); });
}

/// The addresses that are judged here are those that are connected to: nothing is looked up again.
void Session::resolved(const Resolver::Answer& answer) {
    if (!answer) return refuse(answer.error());
    std::vector<Address> good;
    const auto& permitted = context_.settings.permit_ranges;
    for (const Address& address : *answer) {
        auto range = refused_range(address, permitted);
        if (!range && is_own_address(address) &&
            std::ranges::none_of(permitted, [&](const Range& one) { return one.has(address); })) {
            range = "own";
        }
        if (!range) {
            good.push_back(address);
        } else if (entry_.range.empty()) {
            entry_.address = address.text();
            entry_.range = *range;
        }
    }
    if (good.empty()) return refuse(Reason::kAddressRefused);
    entry_.address.clear();
    entry_.range.clear();
    dialer_ = std::make_unique<Dialer>(context_.loop);
    dialer_->dial(std::move(good), port_, [this](auto result) { connected(std::move(result)); });
}

Relay::Start Session::what_to_send() {
    Relay::Start start;
    start.input = std::move(input_);
    switch (protocol_) {
        case Protocol::kSocks:
            start.to_client = socks_answer(telling_of(Reason::kAllowed).socks);
            break;
        case Protocol::kConnect:
            start.to_client = kTunnelStands;
            break;
        case Protocol::kHttp:
        case Protocol::kUnknown:
            start.to_server = forwarded_head(head_, host_);
            start.body.emplace(head_.chunked, head_.length.value_or(0));
            break;
    }
    return start;
}

void Session::connected(std::expected<Dialer::Connected, Reason> result) {
    if (!result) return refuse(result.error());
    limit_.stop();
    entry_.address = result->address.text();
    audit(AuditEvent::kOpen, entry_);
    const Relay::Limits limits{static_cast<double>(context_.settings.idle_timeout),
                               static_cast<double>(context_.settings.lifetime)};
    relay_ =
        std::make_unique<Relay>(context_.loop, std::move(client_), std::move(result->fd), limits);
    relay_->run(what_to_send(), [this](Reason reason) {
        entry_.reason = reason;
        entry_.sent = relay_->sent();
        entry_.received = relay_->received();
        entry_.milliseconds = age();
        audit(AuditEvent::kClose, entry_);
        finish();
    });
}

void Session::refuse(Reason reason) {
    entry_.reason = reason;
    entry_.milliseconds = age();
    audit(AuditEvent::kDenied, entry_);
    switch (protocol_) {
        case Protocol::kSocks:
            return linger(socks_answer(telling_of(reason).socks));
        case Protocol::kHttp:
        case Protocol::kConnect:
            return linger(http_refusal(reason, host_, port_));
        case Protocol::kUnknown:
            return finish();
    }
}

/// A TCP socket that is closed with bytes unread resets the connection, and the client may lose the
/// answer over it (RFC 9112, section 9.6): they are read, for a while.
void Session::linger(const std::string& last) {
    query_.reset();
    dialer_.reset();
    const bool told = ::send(client_.get(), last.data(), last.size(), MSG_NOSIGNAL) ==
                      static_cast<ssize_t>(last.size());
    if (!told || ::shutdown(client_.get(), SHUT_WR) == -1) return finish();
    limit_.start(kLinger, [this] { finish(); });
    watch_.start(client_.get(), EV_READ, [this](int) {
        std::array<char, 16384> ignored;
        const ssize_t size = ::recv(client_.get(), ignored.data(), ignored.size(), 0);
        if (size == 0 || (size == -1 && errno != EAGAIN && errno != EINTR)) finish();
    });
}

void Session::finish() {
    watch_.stop();
    limit_.stop();
    query_.reset();
    dialer_.reset();
    const auto ended = std::exchange(ended_, nullptr);
    if (ended) ended(this);
}

std::uint64_t Session::age() const {
    using std::chrono::milliseconds;
    const auto span = std::chrono::steady_clock::now() - begun_;
    return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(span).count());
}

}  // namespace jailsvc::egress
