#pragma once

#include <string>

#include "service/entry.hpp"

/// What units may do in sight of their neighbours. All of it pure.
namespace jailsvc::service {

[[nodiscard]] bool at_rest(const Entry& entry);    ///< inactive or failed: nothing of it runs
[[nodiscard]] bool is_idle(const Entry& entry);    ///< nothing of it runs, but it may want to
[[nodiscard]] bool is_up(const Entry& entry);      ///< as its own start is concerned
[[nodiscard]] bool satisfies(const Entry& entry);  ///< up, or a oneshot that has done its work
[[nodiscard]] bool goes_down(const Entry& entry);  ///< asked to, and not there yet
[[nodiscard]] bool is_coming(const Entry& entry);  ///< on its way up, if by restart policy
/// On its way down only to start again or to listen again.
[[nodiscard]] inline bool comes_back(const Vitals& record) {
    return record.after == State::kBackoff || record.after == State::kListening;
}
/// Required units that are neither up nor coming take their dependents down.
[[nodiscard]] inline bool is_gone(const Entry& entry) {
    return !satisfies(entry) && !is_coming(entry);
}

/// What stands against a start.
struct Hindrance {
    enum class Kind : std::uint8_t { kNone, kWait, kNever };
    Kind kind = Kind::kNone;
    const Entry* by = nullptr;
};
[[nodiscard]] Hindrance hindrance_to_start(const Entry& entry);

/// The first unit that has to be down before this one stops; nullptr: it may stop now.
[[nodiscard]] const Entry* hindrance_to_stop(const Entry& entry);

/// "db failed: exit code 1", "db was stopped": what a dependent says. The root cause is kept.
[[nodiscard]] std::string blame_on(const Entry& cause);
/// Why `entry` can never start, where hindrance_to_start says so.
[[nodiscard]] std::string never_because(const Entry& entry, const Hindrance& hindrance);
/// What `status` says beside the state; computed where it depends on others.
[[nodiscard]] std::string because_of(const Entry& entry);

/// What a service of that type is waited for, once executed: "READY=1".
[[nodiscard]] std::string_view awaited_of(config::ServiceType type);
/// What its start or reload did in vain, for people: "did not start".
[[nodiscard]] std::string waited_in_vain(const Entry& entry);
[[nodiscard]] std::string missed_ping(const Entry& entry);
/// "; the last one: Connection refused", of a unit's health checks; empty where none was bad.
[[nodiscard]] std::string last_of(const Entry& entry);

}  // namespace jailsvc::service
