#pragma once

#include <cstdint>
#include <type_traits>

#include "service/types.hpp"

namespace jailsvc::service {

/// What a unit is on its way to.
enum class Want : std::uint8_t {
    kNothing,  ///< stays as it is; restart policy alone moves it
    kUp,
    kDown,
    kAgain,  ///< down, then up
};

/// What survives the engine of a unit beside its texts: what the manager holds of each. Trivially
/// copyable, see Record.
struct Vitals {
    State state;
    std::uint8_t ready;
    std::uint8_t wanted_up;  ///< the last request was a start
    std::uint8_t last_by_signal;
    std::int32_t last_code;
    Token main_token;     ///< current or last main process
    Token control_token;  ///< running exec_* command, or 0
    Purpose control_purpose;
    std::uint16_t control_index;
    std::int32_t main_pid;  ///< 0 while none runs, or while its launch is not answered
    std::uint64_t state_since_ns;
    std::uint64_t phase_since_ns;  ///< what is left of a timeout counts from here
    std::uint64_t main_started_ns;
    std::uint64_t backoff_until_ns;
    std::uint32_t restarts;       ///< automatic restarts since the last request to start
    std::uint32_t backoff_level;  ///< how often the delay has doubled
    std::uint32_t recent_starts;  ///< within the start limit's interval
    Phase phase;                  ///< which part of `state`
    State after;                  ///< where kStopping leads: inactive, failed or backoff
    Want want;
    std::uint8_t main_alive;          ///< launch requested, end not yet seen
    std::uint8_t failing;             ///< goes down because a unit it requires did
    std::uint8_t succeeded;           ///< a oneshot whose last run succeeded
    std::uint8_t outcome;             ///< JobOutcome of the last failure
    std::uint8_t last_out_of_memory;  ///< that is what last_by_signal was
    std::uint8_t kept;                ///< Launcher keeps what was started, for a restart
    std::uint8_t has_exited;          ///< a main process was executed and ended: last_* are its end
    std::uint8_t sockets;             ///< may be open: it was started with some, not closed since
    std::uint8_t listening;           ///< its sockets were opened, for connections to start it
    std::uint8_t last_unknown;        ///< nobody saw how: last_code means nothing
    std::uint8_t by_watchdog;         ///< it was told to end by its watchdog
    std::uint8_t told_ready;          ///< the main process has said so since its launch
    std::uint8_t told_stopping;       ///< it has said so since it was up
    std::uint64_t interval_began_ns;
    Token adopted_token;              ///< main process in place of the launched one, or 0
    std::uint64_t armed_ns;           ///< since when it waits for connections or times
    std::uint64_t extended_until_ns;  ///< it has asked for so long to start, stop or reload
    std::uint64_t watchdog_us;        ///< in place of the unit's, as it has asked; 0: the unit's
    Token check_token;                ///< of the health check that runs, or 0
    std::uint32_t bad_checks;         ///< in a row, those that count
    Health health;
    std::uint8_t check_late;   ///< the one that runs has had its time, and was told to end
    std::uint8_t first_tries;  ///< before the first good check; no more than is needed
    std::uint8_t skipped;      ///< the last start, for a condition that did not hold
    std::uint8_t digest[32];   ///< of the effective unit that was started
};

/// The word for a state of this unit: who waits for times alone is "scheduled", who was not started
/// for a condition "skipped".
[[nodiscard]] inline std::string_view state_name(const Vitals& record, State state) {
    const bool scheduled = state == State::kListening && record.sockets == 0;
    if (scheduled) return "scheduled";
    const bool skipped = state == State::kInactive && record.skipped != 0;
    return skipped ? std::string_view("skipped") : name_of(state);
}

/// Who is the main process: the one launched, or the one it has named since.
[[nodiscard]] constexpr Token main_process(const Vitals& record) {
    return record.adopted_token != 0 ? record.adopted_token : record.main_token;
}

/// Enough for a new engine to go on with this unit as if nothing happened. The engine writes it
/// into the state memfd (twice, checksummed) before the act it announces (a token is recorded
/// before its launch is requested).
struct Record : Vitals {
    char unit[128];
    char because[160];  ///< why it failed, waits or goes down; cut where it is longer
};
static_assert(std::is_trivially_copyable_v<Record>);

}  // namespace jailsvc::service
