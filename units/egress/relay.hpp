#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "egress/http_body.hpp"
#include "egress/reason.hpp"
#include "egress/watch.hpp"

namespace jailsvc::egress {

/// Moves bytes both ways between two sockets until both directions have ended. Of each direction at
/// most a buffer is held: what one side does not take, the other is not asked for. A side that ends
/// its direction may go on receiving (shutdown(2)).
class Relay {
public:
    struct Limits {
        double idle = 0, lifetime = 0;  ///< [s]
    };
    struct Start {
        std::string to_server;  ///< to be sent first
        std::string to_client;
        std::string input;  ///< from the client, read but not looked at
        std::optional<HttpBody>
            body;  ///< the client's direction ends with it; else with the client
    };

    Relay(struct ev_loop* loop, Fd client, Fd server, Limits limits);

    /// Calls back once, with kClosed, kBroken, kIdle, kLifetime or kBadRequest; may be destroyed by
    /// that.
    void run(Start start, std::function<void(Reason)> done);

    [[nodiscard]] std::uint64_t sent() const { return to_server_.moved; }
    [[nodiscard]] std::uint64_t received() const { return to_client_.moved; }

private:
    struct Direction {
        std::string waiting;  ///< to be written
        std::uint64_t moved = 0;
        bool ended = false;   ///< nothing more is read
        bool closed = false;  ///< and all is written
    };
    void ready(int events, bool at_client);
    [[nodiscard]] bool read_from(bool client);
    [[nodiscard]] bool write_to(bool client);
    [[nodiscard]] bool take_input(std::string_view bytes);
    void settle();
    void finish(Reason reason);

    Fd client_, server_;
    Limits limits_;
    IoWatch client_watch_, server_watch_;
    TimerWatch idle_, lifetime_;
    Direction to_server_, to_client_;
    std::string input_;
    std::optional<HttpBody> body_;
    bool bad_request_ = false;
    std::function<void(Reason)> done_;
};

}  // namespace jailsvc::egress
