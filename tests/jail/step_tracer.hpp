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
    StepTracer(const StepTracer&) = delete;
    StepTracer& operator=(const StepTracer&) = delete;
    ~StepTracer();

    /// Waits until the target was killed; false if it came to rest before so many steps.
    [[nodiscard]] bool killed();

private:
    pid_t pid_ = -1;
    Fd pidfd_;
};

}  // namespace jailsvc::test
