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

Result<void> await_answer(const control::Client& client, const std::string& socket) {
    int silent_ms = 0;
    bool told = false;
    while (!is_readable(client.socket(), kLookMs)) {
        if (answers(socket)) {
            silent_ms = 0;
            continue;
        }
        silent_ms += kLookMs + kProbeMs;
        if (silent_ms >= kGiveUpMs) {
            return fail(fmt::format("the supervisor at {} has not answered for {} s; what was "
                                    "asked may still be done",
                                    socket, silent_ms / 1000),
                        kFailure);
        }
        if (std::exchange(told, true)) continue;
        std::fprintf(stderr,
                     "jailsvc: the supervisor at %s does not answer; still waiting. Its log says "
                     "more; `ps -C jailsvcd` shows whether its engine is stopped (T) or stuck (D), "
                     "and if it is killed, another takes over.\n",
                     socket.c_str());
    }
    return {};
}

}  // namespace jailsvc::ctl
