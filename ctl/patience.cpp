#include "patience.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <cstdio>

#include "context.hpp"

namespace jailsvc::ctl {
namespace {

bool is_readable(int socket, int wait_ms) {
    pollfd watched{.fd = socket, .events = POLLIN, .revents = 0};
    // Interrupted: looked at again by the caller.
    return ::poll(&watched, 1, wait_ms) > 0;
}

/// Whether it answers what needs nobody else.
bool answers(const std::string& socket) {
    auto probe = control::Client::connect(socket);
    return probe && probe->send("Version", Json::object()) &&
           is_readable(probe->socket(), kProbeMs);
}

}  // namespace

void Patience::look() {
    if (answers(socket_)) {
        silent_ms_ = 0;
        return;
    }
    silent_ms_ += kLookMs + kProbeMs;
    if (is_over() || std::exchange(told_, true)) return;
    std::fprintf(stderr,
                 "jailsvc: the supervisor at %s does not answer; still waiting. Its log says more; "
                 "`ps -C jailsvcd` shows whether its engine is stopped (T) or stuck (D), and if it "
                 "is killed, another takes over.\n",
                 socket_.c_str());
}

Error Patience::error() const {
    return {fmt::format("the supervisor at {} has not answered for {} s; what was asked may still "
                        "be done",
                        socket_, silent_ms_ / 1000),
            kFailure};
}

Result<void> await_answer(const control::Client& client, const std::string& socket) {
    Patience patience(socket);
    while (!is_readable(client.socket(), kLookMs)) {
        patience.look();
        if (patience.is_over()) return std::unexpected(patience.error());
    }
    return {};
}

}  // namespace jailsvc::ctl
