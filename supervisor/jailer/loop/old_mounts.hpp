#pragma once

#include <optional>

#include "base/fd.hpp"
#include "jailer/loop/watch.hpp"
#include "jailer/plugin/worker_process.hpp"

namespace jailsvc::jailer {

/// Mount namespaces of jails that have ended, whose units start again. To free one makes the kernel
/// wait until no processor walks it any more (synchronize_rcu_expedited in namespace_unlock,
/// fs/namespace.c), and then free whatever lies in its tmpfs: the last process would do that before
/// its end can be seen, and a new start would wait for it. Held here, they are freed a little later
/// by a process of their own.
class OldMounts {
public:
    explicit OldMounts(struct ev_loop* loop);

    /// `mounts` is a descriptor of the namespace; an empty one is passed over.
    void free_later(Fd mounts);

private:
    void begin();
    void ended();

    /// Descriptors wait as messages in the socket: whoever reads them there closes them for good.
    Fd ours_, theirs_;
    TimerWatch soon_;
    std::optional<WorkerProcess> worker_;
    IoWatch watch_;
};

}  // namespace jailsvc::jailer
