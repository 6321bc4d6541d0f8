#include "engine/self_reports.hpp"

#include <spdlog/spdlog.h>

#include <bit>
#include <chrono>
#include <utility>

#include "base/clock.hpp"

namespace jailsvc::engine {
namespace {

bool keeps(const NotifyMessage& message) {
    return message.status || message.error || message.exit_status || message.ping;
}

}  // namespace

const SelfReport& SelfReports::of(std::string_view unit) const {
    static const SelfReport kNone;
    const auto found = reports_.find(unit);
    return found == reports_.end() ? kNone : found->second;
}

/// Into a socket of the unit's jail nobody else can write; into another, everybody may.
bool SelfReports::counts(const std::string& unit, const service::Status& status, pid_t sender,
                         bool open) const {
    const config::Unit& known = *status.unit;
    const auto access = config::notify_access_of(known.service.type, *known.readiness);
    const bool is_main = sender > 0 && sender == status.record.main_pid;
    if (is_main) return true;
    if (access == config::NotifyAccess::kMain) return false;
    return !open || (sender > 0 && handlers_.is_member(unit, sender));
}

void SelfReports::take(const std::string& unit, NotifyDatagram datagram, bool open) {
    const auto status = manager_.status(unit);
    if (!status) return;
    const auto message = datagram.whole ? parse_notify(datagram.text) : std::nullopt;
    if (!message || !counts(unit, *status, datagram.pid, open)) {
        SelfReport& report = reports_[unit];
        // Said at the 1st, 2nd, 4th, 8th… so that nobody can fill the log.
        if (std::has_single_bit(++report.refused)) {
            spdlog::warn("{}: a message to its notify socket was ignored: {} ({} so far)", unit,
                         message ? "its sender is none whose messages count" : "it is malformed",
                         report.refused);
        }
        return;
    }
    // In systemd's order: who it is first, then what it does, then what is to be kept.
    if (message->main_pid && status->record.main_token != 0) {
        handlers_.find_main(unit, status->record.main_token, *message->main_pid);
    }
    tell(unit, *message);
    note(unit, *message);
    if (message->fd_store || message->fd_store_remove) {
        handlers_.keep_fds(unit, *message, std::move(datagram.fds));
    }
    // All other descriptors are closed here. That is the answer to BARRIER=1: whatever came before
    // it has been heard.
}

void SelfReports::tell(const std::string& unit, const NotifyMessage& message) {
    using service::Told;
    const std::pair<bool, Told> all[] = {
        {message.reloading, Told::kReloading},     {message.ready, Told::kReady},
        {message.stopping, Told::kStopping},       {message.ping, Told::kPing},
        {message.trigger, Told::kWatchdogTrigger},
    };
    // Both at once make no sense, but that it has reloaded.
    for (const auto& [said, what] : all) {
        if (said) (void)manager_.on_told(unit, what);
    }
    if (message.extend_us) {
        manager_.extend_timeout(
            unit, std::chrono::microseconds(static_cast<std::int64_t>(*message.extend_us)));
    }
    if (message.watchdog_us) manager_.set_watchdog(unit, *message.watchdog_us);
}

void SelfReports::note(const std::string& unit, const NotifyMessage& message) {
    if (!keeps(message)) return;
    SelfReport& report = reports_[unit];
    if (message.status) report.status = *message.status;
    if (message.error) report.error = message.error;
    if (message.exit_status) report.exit_status = *message.exit_status;
    if (message.ping) report.ping_ns = boottime_ns();
}

void SelfReports::newline(const std::string& unit) {
    (void)manager_.on_told(unit, service::Told::kReady);
}

}  // namespace jailsvc::engine
