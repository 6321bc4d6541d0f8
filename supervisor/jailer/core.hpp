#pragma once

#include "base/places.hpp"
#include "jailer/jail.hpp"
#include "jailer/link.hpp"
#include "jailer/log_pipes.hpp"
#include "jailer/plugin_host.hpp"
#include "jailer/uids.hpp"
#include "jailer/unit_cache.hpp"

namespace jailsvc::jailer {

/// What the parts of the jailer share; lives as long as its loop.
struct Core {
    struct ev_loop* loop;
    const Places& places;
    PluginHost plugins;
    SpawnContext spawn;
    Uids uids;
    UnitCache units;
    LogPipes logs;
    Link keeper;
    Link engine;
};

}  // namespace jailsvc::jailer
