#pragma once

#include "jailer/loop/core.hpp"
#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {

/// Says in the log when a unit reaches a limit of its control group, tells the engine when one
/// waits for resources longer than its triggers allow, and does for cgroup v1 what memory.oom.group
/// does on v2: when one process is ended for want of memory, all are.
class LimitEvents {
public:
    explicit LimitEvents(Core& core);

    /// Units may have got limits since the last call.
    void listen();

private:
    void heard();
    void tell();
    void tell_pressure();

    Core& core_;
    int listens_to_changes_ = -1;
    int listens_to_oom_ = -1;
    int listens_to_pressure_ = -1;
    IoWatch changes_;
    IoWatch oom_;
    IoWatch pressure_;
    TimerWatch again_;
};

}  // namespace jailsvc::jailer
