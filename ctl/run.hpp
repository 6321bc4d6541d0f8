#pragma once

#include <string>
#include <vector>

#include "context.hpp"

namespace jailsvc::ctl {

/// Exit code of `run --wait` where the job's program was not executed: nobody takes it for the
/// program's.
inline constexpr int kJobNotRun = 125;

struct RunOptions {
    std::string name, profile, keep, output_cap;
    std::vector<std::string> environment, properties, timer;
    std::string on_active, on_calendar, every;  ///< shorter forms of `timer`
    bool wait = false;
    bool stdin_ = false;
    bool tty = false;
    std::vector<std::string> command;
};

/// `jailsvc run`: writes a job's unit file, starts it, and waits for its end if asked to.
int run_job(const Context& context, const RunOptions& options);

}  // namespace jailsvc::ctl
