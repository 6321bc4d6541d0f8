#pragma once

#include "jailer/loop/core.hpp"
#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {

/// Says in the log when a unit reaches a limit of its control group, and does for cgroup v1 what
/// memory.oom.group does on v2: when one process is ended for want of memory, all are.
class LimitEvents {
public:
    explicit LimitEvents(Core& core);

    /// Units may have got limits since the last call.
    void listen();

private:
    void heard();
    void tell();

    Core& core_;
    int listens_to_changes_ = -1;
    int listens_to_oom_ = -1;
    IoWatch changes_;
    IoWatch oom_;
    TimerWatch again_;
};

}  // namespace jailsvc::jailer
