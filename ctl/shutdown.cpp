#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>

#include "commands.hpp"
#include "log_time.hpp"
#include "patience.hpp"

namespace jailsvc::ctl {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kLongestWait{60'000};  ///< of one poll(2)

/// Until when to wait; none: as long as it takes.
using Deadline = std::optional<Clock::time_point>;

/// Seconds where no unit is named.
Result<Deadline> deadline_of(const std::string& text) {
    if (text.empty()) return Deadline();
    const bool is_number = text.find_first_not_of("0123456789") == std::string::npos;
    const auto span_us = parse_span(is_number ? text + "s" : text);
    if (!span_us) {
        return fail(fmt::format("--timeout: \"{}\" is no time; write \"90s\" or \"2min\"", text),
                    kUsage);
    }
    return Deadline(Clock::now() + std::chrono::microseconds(*span_us));
}

/// The process that listens on the other end's socket, which is the keeper: connect(2) gives us the
/// credentials of listen(2), unix(7). None where it is out of our pid namespace.
Fd keeper_behind(const control::Client& client) {
    ucred keeper{};
    socklen_t size = sizeof keeper;
    const int rc = ::getsockopt(client.socket(), SOL_SOCKET, SO_PEERCRED, &keeper, &size);
    if (rc == -1 || keeper.pid <= 0) return Fd();
    return Fd(static_cast<int>(::syscall(SYS_pidfd_open, keeper.pid, 0)));
}

/// Whether there was an event by then.
bool await_event(int fd, short events, const Deadline& deadline) {
    for (;;) {
        auto wait = kLongestWait;
        if (deadline) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
            wait = std::clamp(left, std::chrono::milliseconds(0), kLongestWait);
        }
        pollfd watched{.fd = fd, .events = events, .revents = 0};
        if (::poll(&watched, 1, static_cast<int>(wait.count())) > 0) return true;
        if (deadline && Clock::now() >= *deadline) return false;
    }
}

/// Where its process cannot be watched: until nobody listens any more. A connection may end for
/// less.
bool await_silence(const Context& context, control::Client client, const Deadline& deadline) {
    for (;;) {
        if (!await_event(client.socket(), POLLRDHUP, deadline)) return false;
        auto again = control::Client::connect(socket_of(context));
        if (!again) return true;
        client = std::move(*again);
    }
}

Result<void> await_end(const Context& context, control::Client client, const Fd& keeper,
                       const Deadline& deadline) {
    const bool gone = keeper ? await_event(keeper.get(), POLLIN, deadline)
                             : await_silence(context, std::move(client), deadline);
    if (gone) return {};
    return fail(
        "the supervisor has not ended in time and goes on ending; `jailsvc status` shows "
        "what has not stopped yet",
        kFailure);
}

}  // namespace

int run_shutdown(const Context& context, const ShutdownOptions& options) {
    const auto deadline = deadline_of(options.timeout);
    if (!deadline) return report(context, deadline.error());
    auto client = connect(context);
    if (!client) return report(context, client.error());
    const Fd keeper = keeper_behind(*client);
    const auto answer = ask_on(context, *client, "Shutdown", {{"kind", "exit"}});
    if (!answer) return report(context, answer.error());
    if (!options.no_block) {
        const auto ended = await_end(context, std::move(*client), keeper, *deadline);
        if (!ended) return report(context, ended.error());
    }
    if (context.json) print_json({{"ended", !options.no_block}});
    return kOk;
}

}  // namespace jailsvc::ctl
