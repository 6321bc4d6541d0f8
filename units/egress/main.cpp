// jailsvc-egress: the one way out of a jail without network. docs/EGRESS.md.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "egress/handover.hpp"
#include "egress/host_name.hpp"
#include "egress/notify.hpp"
#include "egress/server.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::egress;

constexpr int kFirstPassed = 3;  ///< sd_listen_fds(3)

struct Arguments {
    std::string settings = "/etc/jailsvc/egress.toml";
    std::string policy = "/run/egress/policy";
};

Result<Arguments> read_arguments(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        std::string* value = nullptr;
        if (name == "--settings") value = &arguments.settings;
        if (name == "--policy") value = &arguments.policy;
        if (value == nullptr || i + 1 == argc) {
            return fail("usage: jailsvc-egress [--settings FILE] [--policy FILE]");
        }
        *value = argv[i + 1];
    }
    return arguments;
}

/// What the supervisor passes: its sockets for us, and what an earlier run has left in its store.
Result<void> take_sockets(Server& server) {
    const char* count = std::getenv("LISTEN_FDS");
    const char* names = std::getenv("LISTEN_FDNAMES");
    if (count == nullptr || names == nullptr) {
        return fail("no socket was passed; run it as a unit with [socket]");
    }
    std::string_view rest = names;
    std::vector<Fd> loopback;
    for (int fd = kFirstPassed; fd < kFirstPassed + parse_port(count); ++fd) {
        const auto colon = std::min(rest.find(':'), rest.size());
        const bool kept = rest.substr(0, colon) == kLoopbackName;
        rest.remove_prefix(std::min(colon + 1, rest.size()));
        if (!kept) {
            server.listen(Fd(fd), true);
        } else if (listens(fd)) {
            loopback.emplace_back(fd);
        }
    }
    server.replace_loopback(std::move(loopback));
    return {};
}

std::string status_of(const Settings& settings) {
    if (settings.permit_ranges.empty()) return "private ranges refused";
    std::vector<std::string> ranges;
    for (const Range& range : settings.permit_ranges) ranges.push_back(range.text());
    return fmt::format("ranges let through: {}", fmt::join(ranges, ", "));
}

Result<void> run(int argc, char** argv) {
    TRY(const Arguments arguments, read_arguments(argc, argv));
    TRY(Settings settings, read_settings(arguments.settings));
    struct ev_loop* const loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV);
    if (loop == nullptr) return fail("no event loop");
    TRY(const auto resolver, Resolver::make(loop, settings.nameservers));
    PolicyFile policy(arguments.policy);
    Context context{loop, std::move(settings), policy, *resolver, {}};
    Server server(context);
    TRY_VOID(take_sockets(server));
    TRY_VOID(notify("READY=1\nSTATUS=" + status_of(context.settings)));
    ev_run(loop, 0);
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    const auto done = run(argc, argv);
    if (done) return EXIT_SUCCESS;
    fmt::print(stderr, "egress: {}\n", done.error().message);
    return EXIT_FAILURE;
}
