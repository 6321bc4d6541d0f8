#pragma once

#include "ipc/messages.hpp"
#include "jailer/loop/jails.hpp"

/// What is done to, or asked about, the processes that run in a jail.
namespace jailsvc::jailer {

/// Sends the signal to one process or to everything in the jail but its init. What has ended is
/// passed over.
void deliver(Jails& jails, const ipc::Signal& request);

/// Everything in the jail but its init, as well as can be told: by its control group, or by parents
/// and sessions.
[[nodiscard]] std::vector<Found> processes_of(Jails& jails, const Jail& jail);

struct Stats {
    std::uint64_t pss_kib = 0;
    std::uint64_t processes = 0;
};
[[nodiscard]] Stats measure(Jails& jails, const Jail& jail);

}  // namespace jailsvc::jailer
