#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/client.hpp"
#include "engine/link.hpp"
#include "engine/loop.hpp"

namespace jailsvc::engine {

/// How long a client waits for a jailer or logger that is being restarted [s].
inline constexpr double kPeerPatience = 20.;

/// What a client is told that has waited so long.
[[nodiscard]] control::Reply peer_is_away(std::string_view who, double patience = kPeerPatience);

/// Questions of clients to the jailer or the logger, of one kind. While the peer is being restarted
/// they wait for it, for a time; the answer finds its client by a serial number.
class Questions {
public:
    /// What becomes of a question whose peer died before it answered.
    enum class OnLoss : std::uint8_t {
        kRepeat,  ///< put to the next one; for what only asks. Carries no descriptors
        kFail     ///< nobody knows whether it was done
    };
    Questions(struct ev_loop* loop, Link& link, std::string who, OnLoss on_loss,
              double patience = kPeerPatience);

    struct Asked {
        ClientRef client;
        std::optional<control::Reply> otherwise;
    };
    /// Sets the message's serial. Refused while too many wait. `otherwise` is kept for the answer.
    template <ipc::Message T>
    void ask(T message, ClientRef client, std::vector<Fd> fds = {},
             std::optional<control::Reply> otherwise = {}) {
        message.serial = ++last_serial_;
        const auto* begin = reinterpret_cast<const std::byte*>(&message);
        put({{begin, begin + sizeof message}, std::move(fds)},
            {std::move(client), std::move(otherwise)});
    }
    /// Whose question has been answered; empty where nobody waits for that.
    [[nodiscard]] Asked answered(std::uint64_t serial);

    void lost();  ///< the peer died
    void back();  ///< there is another

private:
    struct Question {
        Link::Message message;
        Asked asked;
        bool sent = false;
    };
    void put(Link::Message message, Asked asked);
    void send(Question& question);
    void give_up();

    Link& link_;
    std::string who_;
    OnLoss on_loss_;
    double patience_seconds_;
    std::uint64_t last_serial_ = 0;
    std::map<std::uint64_t, Question> pending_;
    TimerWatch patience_;
};

}  // namespace jailsvc::engine
