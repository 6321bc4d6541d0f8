#pragma once

#include <cstdint>
#include <optional>

#include "engine/jobs.hpp"
#include "engine/link.hpp"
#include "engine/records.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// The end of everything: all units are stopped, then the keeper is told how to end. An engine that
/// dies on the way leaves that to the next one, by the records.
class Shutdown {
public:
    Shutdown(Link& keeper, service::Manager& manager, Jobs& jobs)
        : keeper_(keeper), manager_(manager), jobs_(jobs) {}

    /// The keeper's own wish, for a signal.
    void begin_for_keeper(ipc::ShutdownKind kind);
    /// Someone else's.
    void begin(Records::Ending ending);

    /// The units are loaded now. True: everything is to be stopped, by a wish from before that or
    /// one that an engine before us was told.
    [[nodiscard]] bool resume(Records& records);

private:
    void stop_all(Records::Ending ending);
    [[nodiscard]] std::uint64_t deadline_ns() const;
    void answer();
    void announce(ipc::ShutdownKind kind);

    Link& keeper_;
    service::Manager& manager_;
    Jobs& jobs_;
    Records* records_ = nullptr;  ///< once the units are loaded
    std::optional<Records::Ending> ending_;
    bool stopping_ = false;  ///< the manager was asked to stop all
};

}  // namespace jailsvc::engine
