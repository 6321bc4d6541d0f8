#pragma once

#include <array>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "config/unit.hpp"
#include "ipc/messages.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/core.hpp"
#include "jailer/loop/unit_cache.hpp"

namespace jailsvc::jailer {

/// How long a log is there.
enum class Keeping { kForGood, kWithUnit };

/// What the logger is to do with the output of a unit that says so.
[[nodiscard]] Result<ipc::LogSettings> log_settings(const config::LoggingTable& logging,
                                                    Keeping keeping = Keeping::kForGood);

/// A program's own files for its output and error, where it has them.
using OutputFiles = std::array<Fd, ipc::kLogStreams>;

/// Gives the program of that unit its standard output and error: the logger's pipes, which are made
/// for `owner` at the first start, or files of its own, opened now. `unit` is whose log it is.
[[nodiscard]] Result<void> give_output(Core& core, const std::string& unit, const PlannedUnit& of,
                                       const ResolvedIds& owner, Program& program,
                                       OutputFiles& files);

}  // namespace jailsvc::jailer
