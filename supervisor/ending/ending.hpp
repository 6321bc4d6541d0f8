#pragma once

#include "pid1/handover.hpp"

namespace jailsvc::ending {

/// Ends every process that is ours to end: first the services, then the engine, the jailer and the
/// logger, so that the last lines are written. Each is asked, then killed. Takes half a minute at
/// most. What cannot be ended is reported.
void end_processes(pid1::End& end) noexcept;

/// The machine's init only: swap off, file systems unmounted or at least read-only.
void leave_disks() noexcept;

}  // namespace jailsvc::ending
