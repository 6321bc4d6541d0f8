#pragma once

#include <unistd.h>

#include "jailer/loop/core.hpp"
#include "jailer/loop/jails.hpp"
#include "jailer/loop/limit_events.hpp"
#include "jailer/loop/listeners.hpp"
#include "jailer/loop/properties.hpp"
#include "jailer/loop/starts.hpp"

namespace jailsvc::jailer {

/// Takes every packet of keeper and engine to the part that answers it.
class Dispatch {
public:
    Dispatch(struct ev_loop* loop, const Places& places, PluginHost plugins, SpawnContext spawn,
             Uids uids, IdRanges ranges, PrivateNetworks networks, Fd keeper);

    UnitCache& units() { return core_.units; }
    /// Says hello; from then on the loop runs until the keeper is gone.
    void begin();
    /// After the loop: the keeper is gone, and with it this supervisor. Ends what is left in its
    /// control groups and removes them.
    void end();

private:
    void from_keeper(ipc::Packet& packet);
    void from_engine(ipc::Packet& packet);
    void new_peer(const ipc::Peer& peer, Fd socket);
    void stored(const ipc::Stored& stored, Fd fd);
    void snapshot_ended();
    void await_gates(int looks);
    void teardown(const ipc::Teardown& request);
    void forget(const ipc::Forget& request);
    void plan(const ipc::PlanRequest& request);
    void stats(const ipc::StatsRequest& request);

    const pid_t parent_ = ::getppid();  ///< the keeper
    Core core_;
    LimitEvents limits_;
    Jails jails_;
    Listeners listeners_;
    Starts starts_;
    Properties properties_;
    bool snapshot_in_ = false;  ///< all that the keeper has to tell of an earlier jailer
    bool complete_ = false;     ///< and what it leaves open is settled: the engine may ask
    TimerWatch gates_;
};

}  // namespace jailsvc::jailer
