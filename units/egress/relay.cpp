#include "egress/relay.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace jailsvc::egress {
namespace {

constexpr std::size_t kBuffer = 65536;  ///< of one direction

}  // namespace

Relay::Relay(struct ev_loop* loop, Fd client, Fd server, Limits limits)
    : client_(std::move(client)),
      server_(std::move(server)),
      limits_(limits),
      client_watch_(loop),
      server_watch_(loop),
      idle_(loop),
      lifetime_(loop) {}

void Relay::run(Start start, std::function<void(Reason)> done) {
    done_ = std::move(done);
    to_server_.waiting = std::move(start.to_server);
    to_client_.waiting = std::move(start.to_client);
    body_ = start.body;
    lifetime_.start(limits_.lifetime, [this] { finish(Reason::kLifetime); });
    idle_.start(limits_.idle, [this] { finish(Reason::kIdle); });
    client_watch_.start(client_.get(), 0, [this](int events) { ready(events, true); });
    server_watch_.start(server_.get(), 0, [this](int events) { ready(events, false); });
    if (!take_input(start.input)) return finish(Reason::kBadRequest);
    const bool written = write_to(true) && write_to(false);
    if (!written) return finish(Reason::kBroken);
    settle();
}

/// Of the client: as it is in a tunnel, as much as belongs to the body in a request.
bool Relay::take_input(std::string_view bytes) {
    if (!body_) {
        to_server_.waiting.append(bytes);
        return true;
    }
    input_.append(bytes);
    const auto state = body_->take(input_, to_server_.waiting);
    if (state == HttpBody::State::kDone) {
        to_server_.ended = true;
        input_ = {};  // what follows is no part of this request, and there is no other
    }
    return state != HttpBody::State::kBroken;
}

void Relay::ready(int events, bool at_client) {
    bool good = true;
    if ((events & EV_READ) != 0) good = read_from(at_client);
    if (good && (events & EV_WRITE) != 0) good = write_to(at_client);
    if (!good) return finish(bad_request_ ? Reason::kBadRequest : Reason::kBroken);
    idle_.start(limits_.idle, [this] { finish(Reason::kIdle); });
    settle();
}

/// What is read is written at once where it can be: most of it is never waited for.
bool Relay::read_from(bool client) {
    Direction& direction = client ? to_server_ : to_client_;
    if (direction.ended || direction.waiting.size() >= kBuffer) return true;
    std::array<char, kBuffer> buffer;
    const ssize_t size =
        ::recv(client ? client_.get() : server_.get(), buffer.data(), buffer.size(), 0);
    if (size == -1) return errno == EAGAIN || errno == EINTR;
    if (size == 0) {
        direction.ended = true;
        // A request that ends before its body does is none.
        return !client || !body_ || body_->state() == HttpBody::State::kDone;
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
    if (client && !take_input(bytes)) {
        bad_request_ = true;
        return false;
    }
    if (!client) direction.waiting.append(bytes);
    return write_to(!client);
}

bool Relay::write_to(bool client) {
    Direction& direction = client ? to_client_ : to_server_;
    const int fd = client ? client_.get() : server_.get();
    while (!direction.waiting.empty()) {
        const ssize_t size =
            ::send(fd, direction.waiting.data(), direction.waiting.size(), MSG_NOSIGNAL);
        if (size == -1 && errno == EINTR) continue;
        if (size == -1) return errno == EAGAIN;
        direction.moved += static_cast<std::uint64_t>(size);
        direction.waiting.erase(0, static_cast<std::size_t>(size));
    }
    return true;
}

/// What each socket is watched for from here on; a direction whose all is written is closed.
void Relay::settle() {
    for (const bool client : {true, false}) {
        Direction& direction = client ? to_client_ : to_server_;
        if (!direction.ended || !direction.waiting.empty() || direction.closed) continue;
        direction.closed = true;
        // A server that is done with answering closes by itself; of a request with a body of its
        // own length the end needs no telling, and some servers take it for a client gone.
        if (client || !body_) {
            (void)::shutdown(client ? client_.get() : server_.get(), SHUT_WR);
        }
    }
    if (to_client_.closed && (to_server_.closed || body_)) return finish(Reason::kClosed);
    const auto wanted = [](const Direction& in, const Direction& out) {
        const bool reads = !in.ended && in.waiting.size() < kBuffer;
        return (reads ? EV_READ : 0) | (out.waiting.empty() ? 0 : EV_WRITE);
    };
    client_watch_.want(wanted(to_server_, to_client_));
    server_watch_.want(wanted(to_client_, to_server_));
}

void Relay::finish(Reason reason) {
    client_watch_.stop();
    server_watch_.stop();
    idle_.stop();
    lifetime_.stop();
    const auto done = std::exchange(done_, nullptr);  // which may destroy us
    if (done) done(reason);
}

}  // namespace jailsvc::egress
