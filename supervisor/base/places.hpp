#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace jailsvc {

/// Where things are. The keeper hands its own options on to engine, jailer and logger unchanged, so
/// all four agree. Defaults are the installed places; without installation (bin/ beside lib/ in a
/// build tree) programs, plugins and profiles are found relative to the running program.
struct Places {
    std::string run = "/run/jailsvc";  ///< control socket, transient units; --state DIR: DIR/run
    std::string lib = "/var/lib/jailsvc";  ///< allocated uids and the like; --state DIR: DIR/lib
    std::string log = "/var/log/jailsvc";  ///< --state DIR: DIR/log
    std::string state_root = "/var/lib";   ///< of units' state directories; --state DIR: DIR/units
    std::string cache_root = "/var/cache";
    std::string logs_root = "/var/log";
    std::string runtime_root = "/run";
    std::string config;                  ///< --config DIR; empty: the installed places
    std::vector<std::string> unit_dirs;  ///< highest priority first; --config DIR: DIR/units alone
    std::vector<std::string> profile_dirs;  ///< --config DIR: DIR/profiles, then the shipped ones
    std::string ceiling;                    ///< docs/CEILING.md; --config DIR: DIR/ceiling.toml
    std::string plugins;                    ///< --plugins DIR
    std::string stub;                       ///< program that is PID 1 of a jail
    std::string probe;                      ///< program that makes health checks
    std::string preload;                    ///< directory of what programs preload
    std::string learner;                    ///< program that records what a unit uses
    std::uint64_t files = 0;  ///< --files N: soft limit of open files that jailsvc-init was given
    bool quiet = false;       ///< --quiet: warnings and errors only

    /// The directory, among `unit_dirs`, that belongs to the site: between what lasts until the
    /// next boot and what is shipped.
    [[nodiscard]] const std::string& site_units() const { return unit_dirs[1]; }
    [[nodiscard]] std::string control_socket() const { return run + "/control"; }
    /// What units of a private network have as /etc/hosts, by unit's name.
    [[nodiscard]] std::string hosts_root() const { return run + "/hosts"; }

    /// Notify sockets, each in a directory of its unit's name: of units with a tree of their own,
    /// which only root can enter, and of those in the host's.
    [[nodiscard]] std::string notify_root() const { return run + "/notify"; }
    [[nodiscard]] std::string open_notify_root() const { return run + "/notify-open"; }

    /// Empty files NAME.started and NAME.stopped: what was asked of units that remember it.
    [[nodiscard]] std::string asked() const { return lib + "/asked"; }

    /// The way to the proxies of units without network: by unit's name, as far as an instance's
    /// name goes, a directory with the proxy's socket and what it lets through. A jail sees its
    /// own.
    [[nodiscard]] std::string egress_root() const { return runtime_root + "/egress"; }

    /// What jailsvc-learn has recorded, by unit's name.
    [[nodiscard]] std::string records() const { return lib + "/learned"; }

    /// From `--config DIR --state DIR --plugins DIR --files N --quiet`; paths must be absolute.
    /// Anything else is an error that names it.
    [[nodiscard]] static Result<Places> from_arguments(const std::vector<std::string>& arguments);
};

}  // namespace jailsvc
