#pragma once

#include "base/places.hpp"
#include "jailer/cgroup/tree.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/account_lists.hpp"
#include "jailer/loop/fd_stores.hpp"
#include "jailer/loop/id_ranges.hpp"
#include "jailer/loop/lent_stdio.hpp"
#include "jailer/loop/link.hpp"
#include "jailer/loop/log_pipes.hpp"
#include "jailer/loop/network_jobs.hpp"
#include "jailer/loop/old_mounts.hpp"
#include "jailer/loop/trash_collector.hpp"
#include "jailer/loop/uids.hpp"
#include "jailer/loop/unit_cache.hpp"
#include "jailer/net/namespace_pool.hpp"
#include "jailer/net/private_networks.hpp"
#include "jailer/plugin/plugin_host.hpp"

namespace jailsvc::jailer {

/// What the parts of the jailer share; lives as long as its loop.
struct Core {
    struct ev_loop* loop;
    const Places& places;
    PluginHost plugins;
    SpawnContext spawn;
    Uids uids;
    IdRanges ranges;
    AccountLists accounts;
    UnitCache units;
    LogPipes logs;
    FdStores fd_stores;
    LentStdio lent;
    TrashCollector trash;
    OldMounts old_mounts;
    NamespacePool networks;
    NamespacePool bare_networks;  ///< their loopback is down
    cgroup::Tree groups;
    PrivateNetworks private_networks;
    NetworkJobs network_jobs;
    Link keeper;
    Link engine;
};

}  // namespace jailsvc::jailer
