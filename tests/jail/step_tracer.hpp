#pragma once

#include <sys/types.h>

#include "base/fd.hpp"

namespace jailsvc::test {

/// A process that follows the system calls of another and of the workers it makes, by ptrace(2),
/// and kills it at the entry of the n-th step: a call that changes something beyond the caller's
/// memory.
class StepTracer {
public:
    StepTracer(pid_t target, int step);
    /// The same of the target's next `workers` children, each at its first step.
    static StepTracer of_workers(pid_t target, int workers) { return {target, 1, workers}; }
    StepTracer(const StepTracer&) = delete;
    StepTracer& operator=(const StepTracer&) = delete;
    ~StepTracer();

    /// Waits until it, or they, were killed; false if it came to rest before so many steps.
    [[nodiscard]] bool killed();

private:
    StepTracer(pid_t target, int step, int workers);

    pid_t pid_ = -1;
    Fd pidfd_;
};

}  // namespace jailsvc::test
