#pragma once

#include <memory>
#include <optional>

#include "jailer/credentials/job.hpp"
#include "jailer/loop/handover_job.hpp"
#include "jailer/loop/jails.hpp"

// What Jails keeps while a jail is being made or ended; for its own source files.
namespace jailsvc::jailer {

/// So many jails in the making are hurried. Of a thousand the processor is busy anyhow, and plans
/// kept as a whole and programs that wait outside would take many MiB.
inline constexpr std::size_t kFewAtOnce = 8;

struct Jails::Making {
    explicit Making(struct ev_loop* loop) : gate(loop), limit(loop) {}
    std::vector<Waiter> waiters;
    std::shared_ptr<const Plan> plan;  ///< so that it is put together once
    bool fresh = false;                ///< nothing lives in it but what was spawned for the waiters
    bool spawned = false;              ///< programs may be cloned for it
    bool entered = false;              ///< they may go in
    bool attested = false;             ///< it is as planned; its init may not run yet
    Parked init;      ///< gate of the jail's init until it is ready; its pidfd is the jail's
    ParentWork work;  ///< what was made before its init
    std::optional<HandoverJob> handing;    ///< until its directories are its user's
    std::optional<CredentialJob> reading;  ///< until the credentials are there
    Fd credentials;                        ///< then their mount, until the init has it
    std::shared_ptr<const Fd> network;     ///< the private one, until the init is born into it
    Error refusal;                         ///< why there is none
    IoWatch gate;
    TimerWatch limit;
};

struct Jails::Ending {
    explicit Ending(struct ev_loop* loop) : slow(loop) {}
    struct Straggler {
        Straggler(struct ev_loop* loop, Fd fd) : pidfd(std::move(fd)), ended(loop) {}
        Fd pidfd;
        IoWatch ended;
    };
    std::vector<Ended> waiters;
    Fd mounts;  ///< to be freed when the unit has started again; empty: by its last process
    std::vector<std::unique_ptr<Straggler>> stragglers;
    std::size_t stragglers_left = 0;
    int rounds = 0;
    bool undoing = false;
    TimerWatch slow;  ///< says once that something takes long to die
};

}  // namespace jailsvc::jailer
