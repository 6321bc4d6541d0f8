// A jail whose processes are held where they are. Nothing can be started in it, and what is sent to
// them waits, until it is thawed: by a client, or by whatever ends it.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "jailer/loop/jails.hpp"

namespace jailsvc::jailer {

/// What an earlier jailer has frozen, only the group tells.
bool Jails::is_frozen(const Jail& jail) {
    return jail.frozen || (jail.adopted && core_.groups.is_frozen(jail.unit));
}

void Jails::freeze(Jail& jail, bool on) {
    const auto done = core_.groups.freeze(jail.unit, on);
    if (!done) {
        return spdlog::error("{}: not {}: {}", jail.unit, on ? "frozen" : "thawed",
                             done.error().message);
    }
    jail.frozen = on;
    spdlog::info("{}: {}", jail.unit, on ? "frozen" : "thawed");
}

Attempt Jails::thaw_for(Jail& jail, ipc::Purpose purpose) {
    if (!is_frozen(jail)) return {};
    const bool visits = purpose == ipc::Purpose::kClient || purpose == ipc::Purpose::kHealth ||
                        purpose == ipc::Purpose::kReload;
    if (!visits) {
        freeze(jail, false);
        return {};
    }
    return std::unexpected(
        StartFailure{EBUSY, "core", "jail",
                     fmt::format("{0}: is frozen, and nothing would run in it; `jailsvc thaw {0}` "
                                 "first",
                                 jail.unit)});
}

}  // namespace jailsvc::jailer
