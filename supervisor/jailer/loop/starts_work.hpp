#pragma once

#include <optional>
#include <string>

#include "jailer/loop/starts.hpp"

// What Starts keeps of a start under way; for its own source files.
namespace jailsvc::jailer {

struct Starts::Job {
    explicit Job(struct ev_loop* loop)
        : client_readable(loop), gate(loop), exec(loop), limit(loop) {}
    ipc::Start request{};
    std::string unit;
    Fd client_socket;                   ///< of an exec
    std::optional<ExecRequest> client;  ///< what it asked for
    LoadedPtr loaded;                   ///< of the jail that ended before an exec_stop_post
    std::string text;                   ///< the same, where an earlier jailer made it
    std::string program;                ///< what is to be executed, for errors
    IoWatch client_readable;
    Parked child;
    bool announced = false;   ///< the keeper has an Intent of it
    bool entered = false;     ///< its jail may be entered by now
    bool jail_holds = false;  ///< the jail it is in was attested, and so was its init
    bool at_gate = false;     ///< attested itself
    bool gate_opened = false;
    bool first = false;  ///< this start made the jail
    std::uint32_t weakened = 0;
    IoWatch gate;
    IoWatch exec;  ///< where that is the gate, see jail.hpp
    TimerWatch limit;
};

}  // namespace jailsvc::jailer
