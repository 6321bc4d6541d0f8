#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/message.hpp"
#include "engine/procfs.hpp"
#include "engine/records.hpp"
#include "engine/schedules.hpp"
#include "engine/self_reports.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// One line that says what confines a unit, "unconfined" for profile host.
[[nodiscard]] std::string jail_summary(const config::Unit& unit);

/// The files that the unit was made of.
[[nodiscard]] std::vector<std::string> paths_of(const config::Unit& unit);

/// The type Unit of io.jailsvc.Control. The clocks relate times since boot to those of people.
struct Clocks {
    std::uint64_t boottime_ns = 0;
    std::uint64_t realtime_ns = 0;
};
[[nodiscard]] control::Json unit_status(const service::Status& status, const Extra& extra,
                                        const std::optional<Usage>& usage, const SelfReport& report,
                                        const Clocks& clocks);

/// The type Timer.
[[nodiscard]] control::Json timer_of(const service::Status& status, const Schedules::Times& times);

/// The same for a unit whose file does not load: state "error", and what is wrong with the file.
[[nodiscard]] control::Json broken_status(const std::string& unit,
                                          const std::vector<std::string>& errors);

}  // namespace jailsvc::engine
