#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "jailer/loop/starts.hpp"

// What Starts keeps of a start under way; for its own source files.
namespace jailsvc::jailer {

/// The client of an exec.
struct Starts::Visit {
    Visit(struct ev_loop* loop, Fd from) : socket(std::move(from)), readable(loop), limit(loop) {}
    Fd socket;
    std::optional<ExecRequest> asked;
    IoWatch readable;
    TimerWatch limit;
};

/// A start from its launch on.
struct Starts::Launched {
    explicit Launched(struct ev_loop* loop) : gate(loop), exec(loop), limit(loop) {}
    std::string program;               ///< what is to be executed, for errors
    std::shared_ptr<const Plan> plan;  ///< so that it is put together once
    Parked child;
    std::vector<FileIdentity> passed;        ///< descriptors from 3 on
    std::optional<FileIdentity> executable;  ///< where that is a held one
    bool outside = false;                    ///< it waits until its jail's mounts stand
    IoWatch gate;
    IoWatch exec;  ///< where that is the gate, see jail.hpp
    TimerWatch limit;
};

/// A thousand may wait for their jails, between them what outlives them: so what comes later is
/// apart, and leaves no holes there.
struct Starts::Job {
    [[nodiscard]] const ExecRequest* client() const {
        return visit && visit->asked ? &*visit->asked : nullptr;
    }
    ipc::Start request{};
    std::string unit;
    LoadedPtr loaded;          ///< of the jail that ended before an exec_stop_post
    std::string text;          ///< the same, where an earlier jailer made it
    bool announced = false;    ///< the keeper has an Intent of it
    bool entered = false;      ///< its process is being made, or was
    bool jail_stands = false;  ///< its mounts are made
    bool jail_holds = false;   ///< the jail it is in was attested, and so was its init
    bool at_gate = false;      ///< attested itself
    bool gate_opened = false;
    bool first = false;  ///< this start made the jail
    std::uint32_t weakened = 0;
    std::unique_ptr<Visit> visit;        ///< null but for an exec
    std::unique_ptr<Launched> launched;  ///< null before
};

}  // namespace jailsvc::jailer
