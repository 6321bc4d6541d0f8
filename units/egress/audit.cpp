#include "egress/audit.hpp"

#include <unistd.h>

#include <fmt/format.h>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace jailsvc::egress {
namespace {

constexpr std::size_t kMaxText = 256;  ///< of a field; escaped it may be six times as long

std::string_view name_of(AuditEvent event) {
    switch (event) {
        case AuditEvent::kOpen:
            return "open";
        case AuditEvent::kClose:
            return "close";
        case AuditEvent::kDenied:
            return "denied";
    }
    return "";
}

void write_whole(std::string_view rest) {
    while (!rest.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (written == -1 && errno != EINTR) return;
        if (written > 0) rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

std::string audit_line(AuditEvent event, const AuditEntry& entry) {
    nlohmann::ordered_json line{{"egress", name_of(event)},
                                {"unit", entry.unit.substr(0, kMaxText)},
                                {"connection", entry.connection},
                                {"reason", name_of(entry.reason)}};
    const auto add = [&line](const char* key, const std::string& value) {
        if (!value.empty()) line[key] = value.substr(0, kMaxText);
    };
    add("protocol", entry.protocol);
    add("host", entry.host);
    if (entry.port != 0) line["port"] = entry.port;
    add("address", entry.address);
    add("range", entry.range);
    if (event == AuditEvent::kClose) {
        line["sent"] = entry.sent;
        line["received"] = entry.received;
    }
    if (event != AuditEvent::kOpen) line["ms"] = entry.milliseconds;
    // What is no UTF-8 becomes U+FFFD, and all but ASCII is escaped.
    return line.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + '\n';
}

bool RefusalLimit::take(std::uint64_t second) {
    if (second != second_) {
        second_ = second;
        told_ = 0;
    }
    if (told_ < kPerSecond) {
        ++told_;
        return true;
    }
    ++untold_;
    return false;
}

std::uint64_t RefusalLimit::untold(std::uint64_t second) {
    return second == second_ ? 0 : std::exchange(untold_, 0);
}

void audit(AuditEvent event, const AuditEntry& entry) {
    static RefusalLimit limit;
    using std::chrono::seconds;
    const auto age = std::chrono::steady_clock::now().time_since_epoch();
    const auto second =
        static_cast<std::uint64_t>(std::chrono::duration_cast<seconds>(age).count());
    if (const std::uint64_t count = limit.untold(second); count > 0) {
        write_whole(fmt::format("{{\"egress\":\"untold\",\"denied\":{}}}\n", count));
    }
    if (event == AuditEvent::kDenied && !limit.take(second)) return;
    write_whole(audit_line(event, entry));
}

}  // namespace jailsvc::egress
