#include <fmt/format.h>

#include <cstdio>
#include <ctime>

#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

/// "2026-01-31 12:00:00.123", in UTC as the logs have it.
std::string time_of(const Json& event) {
    const auto microseconds = event.value("time", std::int64_t{0});
    const time_t seconds = microseconds / 1'000'000;
    tm civil{};
    ::gmtime_r(&seconds, &civil);
    char text[32];
    ::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &civil);
    return fmt::format("{}.{:03}", text, microseconds / 1000 % 1000);
}

std::string text_of(const Json& event, const char* key) {
    const auto found = event.find(key);
    return found != event.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

/// "12:00:00 web: running (was starting), pid 12".
std::string line_of(const Json& event) {
    std::string line = fmt::format("{}Z {}: ", time_of(event), text_of(event, "unit"));
    const std::string because = text_of(event, "because");
    if (event.value("kind", "") == "note") return line + because;
    line += fmt::format("{} (was {})", text_of(event, "state"), text_of(event, "before"));
    const auto pid = event.find("pid");
    if (pid != event.end() && pid->is_number()) line += fmt::format(", pid {}", pid->dump());
    return because.empty() ? line : line + ": " + because;
}

void show(const Context& context, const Json& event) {
    // One object a line: what follows may be long in coming.
    if (context.json) {
        std::puts(event.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    } else if (event.value("kind", "") != "begin") {
        std::puts(line_of(event).c_str());
    }
    std::fflush(stdout);
}

}  // namespace

int run_events(const Context& context, const std::vector<std::string>& units) {
    auto client = connect(context);
    if (!client) return report(context, client.error());
    Result<void> ended;
    const auto done = client->call_more("Monitor", {{"units", units}}, [&](control::Answer answer) {
        auto known = checked(std::move(answer));
        if (!known) {
            ended = std::unexpected(std::move(known).error());
            return false;
        }
        show(context, known->reply.parameters.value("event", Json::object()));
        return std::ferror(stdout) == 0;
    });
    if (!done)
        return report(context, {"the supervisor went away: " + done.error().message, kFailure});
    return ended ? kOk : report(context, ended.error());
}

}  // namespace jailsvc::ctl
